import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Serve = (request: IncomingMessage, response: ServerResponse) => void;

export interface RawIssuer {
  iss: string;
  /** Paths that were asked for, in order. */
  asked: string[];
  stop(): Promise<void>;
}

/** A server that says of itself what an issuer would, unless told otherwise, and serves keys in any way it is told. */
export async function startRawIssuer(jwks: Serve, metadata?: (iss: string) => unknown): Promise<RawIssuer> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.on('error', () => undefined);
    if (request.url !== '/.well-known/openid-configuration') return jwks(request, response);
    response.end(JSON.stringify(metadata?.(iss) ?? { issuer: iss, jwks_uri: `${iss}/jwks` }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const iss = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    iss,
    asked,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
