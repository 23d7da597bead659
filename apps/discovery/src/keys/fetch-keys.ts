import type { IssuerRegistration } from '@countersign/contracts';
import { SafeHttpError, type SafeHttp, type SafeHttpReason } from '@countersign/safe-http';
import { intakeKeys, type Jwk, type RejectedKey } from '@countersign/tokens';

/** Keys of an issuer as they were fetched. */
export interface FetchedKeys {
  keys: Jwk[];
  rejected: RejectedKey[];
  /** Null for keys that stand in the document. */
  jwksUri: string | null;
  /** Seconds until they should be fetched again; within [60, 600]. */
  maxAgeSeconds: number;
}

/** What went wrong, for operators. `unreachable`: try again; `invalid`: what the issuer serves cannot be used. */
export class KeyFetchError extends Error {
  constructor(
    readonly kind: 'unreachable' | 'invalid',
    message: string,
  ) {
    super(message);
  }
}

const MIN_AGE_SECONDS = 60;
const MAX_AGE_SECONDS = 600;
/** For all requests of one fetch together, to the last byte. */
const LIMIT_MS = 5_000;
const MAX_SHOWN = 200;

type Get = (url: string) => Promise<{ body: Record<string, unknown>; cacheControl: string }>;

/**
 * Gets an issuer's keys from where its document says: inline, a JWKS URL, or OIDC Discovery, within five seconds.
 * What else its metadata say, such as algorithms, is not believed: the document alone decides.
 * @throws KeyFetchError
 */
export async function fetchKeys(http: SafeHttp, issuer: IssuerRegistration): Promise<FetchedKeys> {
  if (issuer.jwks !== null) return usable({ jwks: issuer.jwks, jwksUri: null, maxAgeSeconds: MAX_AGE_SECONDS });
  const end = performance.now() + LIMIT_MS;
  const get: Get = (url) => getJson(http, url, { issuer, timeoutMs: Math.max(1, end - performance.now()) });
  const jwksUri = issuer.jwksUri ?? (await discoverJwksUri(get, issuer));
  const { body, cacheControl } = await get(jwksUri);
  return usable({ jwks: body, jwksUri, maxAgeSeconds: maxAge(cacheControl) });
}

/** OpenID Connect Discovery 1.0 §4: the document's `issuer` must be the one that was asked for, byte for byte. */
async function discoverJwksUri(get: Get, issuer: IssuerRegistration): Promise<string> {
  const base = (issuer.issInternal ?? issuer.iss).replace(/\/$/, '');
  const { body } = await get(`${base}/.well-known/openid-configuration`);
  const { issuer: named, jwks_uri: jwksUri } = body;
  if (named !== issuer.iss) throw new KeyFetchError('invalid', 'the discovery document names another issuer');
  if (typeof jwksUri !== 'string') throw new KeyFetchError('invalid', 'the discovery document has no jwks_uri');
  return jwksUri;
}

interface GetOptions {
  issuer: IssuerRegistration;
  timeoutMs: number;
}

/** A later attempt may find these otherwise; the rest is what the issuer, or its document, does wrong. */
const passing: readonly SafeHttpReason[] = ['dns', 'connect', 'tls', 'timeout', 'protocol', 'closed'];

async function getJson(http: SafeHttp, url: string, { issuer, timeoutMs }: GetOptions): ReturnType<Get> {
  const response = await http
    .get(url, { timeoutMs, caCertificate: issuer.caCertificate ?? undefined })
    .catch((error: unknown) => {
      const reason = error instanceof SafeHttpError ? error.reason : 'connect';
      const kind = passing.includes(reason) ? 'unreachable' : 'invalid';
      throw new KeyFetchError(kind, `cannot fetch ${shown(url)}: ${reason}`);
    });
  if (response.status !== 200) throw new KeyFetchError('unreachable', `${shown(url)} answered ${response.status}`);
  const body = parseObject(response.body);
  if (body === null) throw new KeyFetchError('invalid', `${shown(url)} is not a JSON object`);
  return { body, cacheControl: response.headers['cache-control'] ?? '' };
}

/** A URL that an issuer chose, for people to read. */
const shown = (url: string): string => url.slice(0, MAX_SHOWN).replace(/[^\x21-\x7e]/g, '?');

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function usable(fetched: { jwks: unknown; jwksUri: string | null; maxAgeSeconds: number }): FetchedKeys {
  const { keys, rejected } = intakeKeys(fetched.jwks);
  if (keys.length === 0) {
    const reasons = [...new Set(rejected.map(({ reason }) => reason))].join(', ');
    throw new KeyFetchError('invalid', `no usable key${reasons === '' ? '' : ` (${reasons})`}`);
  }
  return { keys, rejected, jwksUri: fetched.jwksUri, maxAgeSeconds: fetched.maxAgeSeconds };
}

/** `max-age` of Cache-Control (RFC 9111 §5.2.2.1), kept within bounds whatever the issuer says. */
function maxAge(cacheControl: string): number {
  const [, seconds] = /(?:^|,)\s*max-age\s*=\s*"?(-?\d+)/i.exec(cacheControl) ?? [];
  if (/(?:^|,)\s*no-(?:store|cache)/i.test(cacheControl)) return MIN_AGE_SECONDS;
  return Math.min(
    MAX_AGE_SECONDS,
    Math.max(MIN_AGE_SECONDS, seconds === undefined ? MAX_AGE_SECONDS : Number(seconds)),
  );
}
