import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EXIT, Failure } from '../failure';
import type { DevIssuerKey } from './key-file';
import { mint } from './mint';

export interface DevIssuerOptions {
  /** 0 takes a free one. */
  port: number;
  key: DevIssuerKey;
  /** Read for every token, so that an edited claims file acts at once. */
  readOverrides: () => Record<string, unknown>;
  /** Hears of each token that was minted: its subject's audience, never the token. */
  onMint?: (audience: string | null) => void;
}

export interface DevIssuer {
  /** Base URL, which is the `iss`. */
  iss: string;
  /** As ACTIONS_ID_TOKEN_REQUEST_URL: with a query, to which callers append `&audience=`. */
  requestUrl: string;
  close(): Promise<void>;
}

/** Discovery, keys, and GitHub's token request endpoint, on loopback only. */
export async function startDevIssuer(options: DevIssuerOptions): Promise<DevIssuer> {
  let iss = '';
  const server = createServer((request, response) => {
    answer(request, response, { ...options, iss }).catch((error: unknown) =>
      send(response, 500, { message: error instanceof Error ? error.message : 'failed' }),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(options.port, error)));
    server.listen(options.port, '127.0.0.1', resolve);
  });
  iss = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    iss,
    requestUrl: `${iss}/token?api-version=2.0`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: DevIssuerOptions & { iss: string },
): Promise<void> {
  const { iss, key } = options;
  const url = new URL(request.url ?? '/', iss);
  switch (url.pathname) {
    case '/.well-known/openid-configuration':
      return send(response, 200, metadataOf(iss));
    case '/.well-known/jwks':
      return send(response, 200, { keys: [key.publicJwk] });
    case '/token': {
      if (!isBearer(request, key.requestToken)) return send(response, 401, { message: 'wrong request token' });
      const audience = url.searchParams.get('audience');
      const value = await mint({ iss, key, audience, overrides: options.readOverrides() });
      options.onMint?.(audience);
      return send(response, 200, { count: value.length, value });
    }
    default:
      return send(response, 404, { message: 'there is nothing here' });
  }
}

const metadataOf = (iss: string): Record<string, unknown> => ({
  issuer: iss,
  jwks_uri: `${iss}/.well-known/jwks`,
  subject_types_supported: ['public', 'pairwise'],
  response_types_supported: ['id_token'],
  claims_supported: ['sub', 'aud', 'exp', 'iat', 'iss', 'jti', 'nbf', 'ref', 'repository', 'workflow'],
  id_token_signing_alg_values_supported: ['RS256'],
  scopes_supported: ['openid'],
});

/** Without the request token any page in the developer's browser could have tokens minted. */
function isBearer({ headers }: IncomingMessage, requestToken: string): boolean {
  const given = headers.authorization?.replace(/^bearer /i, '') ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(requestToken));
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

const cannotListen = (port: number, { code, message }: NodeJS.ErrnoException): Failure =>
  new Failure(
    EXIT.refused,
    code === 'EADDRINUSE' ? `port ${port} is taken` : message,
    'Is the local issuer running already? Another port: --port.',
  );
