import { isIP, LookupFunction, Socket } from 'node:net';
import { buildConnector } from 'undici';
import { AddressCheck } from './addresses';
import type { Resolve } from './resolve';
import { SafeHttpError } from './safe-http-error';
import { isLocalName } from './url-check';

export interface ConnectorOptions {
  isAllowed: AddressCheck;
  resolve: Resolve;
  /** PEM; replaces the system's certificate authorities. */
  caCertificate: string | null;
}

/** Milliseconds for DNS, TCP and TLS together. */
const connectTimeout = 5_000;

/** Verification cannot be switched off: not per call, not by NODE_TLS_REJECT_UNAUTHORIZED. */
export function tlsOptions(caCertificate: string | null) {
  return {
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2' as const,
    ...(caCertificate !== null && { ca: caCertificate }),
  };
}

/**
 * Connects only to vetted addresses: the ones the vetted DNS answer gave, used as they are, so that no second
 * answer can differ; literals, which no lookup sees; and once more the address at the other end.
 */
export function vettingConnector(options: ConnectorOptions): buildConnector.connector {
  const { isAllowed } = options;
  const connect = buildConnector({
    ...tlsOptions(options.caCertificate),
    timeout: connectTimeout,
    lookup: vettingLookup(options),
  });
  return (target, callback) => {
    const literal = target.hostname.replace(/^\[|\]$/g, '');
    if (isIP(literal) !== 0 && !isAllowed(literal)) return callback(refusal(target.hostname), null);
    connect(target, (error, socket) => {
      if (error !== null) return callback(error, null);
      const reason = remoteRefusal(socket, target.hostname, isAllowed);
      if (reason === null) return callback(null, socket);
      socket.on('error', () => undefined).destroy();
      callback(reason, null);
    });
  };
}

/** Null when the other end of the connection is an address that may be connected to. */
export function remoteRefusal(
  socket: Pick<Socket, 'remoteAddress'>,
  hostname: string,
  isAllowed: AddressCheck,
): SafeHttpError | null {
  const { remoteAddress } = socket;
  return remoteAddress !== undefined && isAllowed(remoteAddress) ? null : refusal(hostname);
}

function vettingLookup({ isAllowed, resolve }: ConnectorOptions): LookupFunction {
  return (hostname, { all }, callback) => {
    vettedAddresses(hostname, isAllowed, resolve).then(
      (addresses) => {
        const answers = addresses.map((address) => ({ address, family: isIP(address) }));
        const [first] = answers;
        if (all) callback(null, answers);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, ''),
    );
  };
}

/** One address that is not public condemns the whole answer: which one is used would be up to chance. */
async function vettedAddresses(hostname: string, isAllowed: AddressCheck, resolve: Resolve): Promise<string[]> {
  const addresses = isLocalName(hostname) ? ['127.0.0.1', '::1'] : await resolve(hostname);
  if (addresses.length === 0) throw new SafeHttpError('dns', `${hostname}: no address`);
  if (!addresses.every(isAllowed)) throw refusal(hostname);
  return addresses;
}

function refusal(hostname: string): SafeHttpError {
  return new SafeHttpError('address', `${hostname}: has an address that must not be connected to`);
}
