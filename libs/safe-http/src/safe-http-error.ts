/** Why an outbound request was not made, or was given up. Closed: logs, events and delivery records show it. */
export type SafeHttpReason =
  | 'url'
  | 'scheme'
  | 'userinfo'
  | 'address'
  | 'dns'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'protocol'
  | 'redirect'
  | 'encoding'
  | 'too_large'
  | 'closed';

/** The message names the host at most: paths and queries of webhook URLs are secrets of their owners. */
export class SafeHttpError extends Error {
  constructor(
    readonly reason: SafeHttpReason,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'SafeHttpError';
  }
}

const reasonByCode: Readonly<Record<string, SafeHttpReason>> = {
  ENOTFOUND: 'dns',
  ENODATA: 'dns',
  EAI_AGAIN: 'dns',
  EAI_FAIL: 'dns',
  ESERVFAIL: 'dns',
  EREFUSED: 'dns',
  ETIMEOUT: 'dns',
  EPROTO: 'tls',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls',
  HOSTNAME_MISMATCH: 'tls',
  UND_ERR_PRX_TLS: 'tls',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_OVERFLOW: 'too_large',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'protocol',
  UND_ERR_INVALID_ARG: 'protocol',
  UND_ERR_DESTROYED: 'closed',
  UND_ERR_CLOSED: 'closed',
};

const reasonByPrefix: readonly (readonly [string, SafeHttpReason])[] = [
  ['ERR_TLS', 'tls'],
  ['ERR_SSL', 'tls'],
  ['ERR_OSSL', 'tls'],
  ['CERT_', 'tls'],
  ['UNABLE_TO_', 'tls'],
  ['INVALID_', 'tls'],
  ['HPE_', 'protocol'],
];

/** The failure of a request to this host as a SafeHttpError; codes are those of Node's net, tls and dns, and undici. */
export function toSafeHttpError(error: unknown, host: string): SafeHttpError {
  const known = knownError(error);
  if (known !== null) return known;
  const code = codeOf(error);
  const reason = reasonByCode[code] ?? reasonByPrefix.find(([prefix]) => code.startsWith(prefix))?.[1] ?? 'connect';
  return new SafeHttpError(reason, `${host}: ${code === '' ? 'the connection failed' : code}`, { cause: error });
}

/** Ours, where it was thrown inside a connection attempt and came back wrapped. */
function knownError(error: unknown): SafeHttpError | null {
  if (error instanceof SafeHttpError) return error;
  const { cause, errors } = (error ?? {}) as { cause?: unknown; errors?: unknown };
  const wrapped: unknown[] = Array.isArray(errors) ? errors : [cause];
  return wrapped.find((one): one is SafeHttpError => one instanceof SafeHttpError) ?? null;
}

/** Not by `instanceof Error`: errors of Node's own sockets may come from another realm. */
function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (typeof code === 'string') return code;
  // undici leaves out the code where its parser never got as far as having one.
  return name === 'HTTPParserError' ? 'HPE_INVALID' : '';
}
