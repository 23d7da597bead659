import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import type { Claims } from './claims';
import { respondWith, type IssuerFailure } from './local-issuer-failures';

export type IssuerAlgorithm = 'RS256' | 'ES256' | 'ES384' | 'EdDSA';

/** A key of the issuer; the first of an algorithm signs. */
export interface IssuerKey {
  kid: string;
  alg: IssuerAlgorithm;
  privateKey: CryptoKey;
  publicJwk: JWK;
}

export interface LocalIssuerOptions {
  /** What its tokens and its metadata say; its URL unless given. */
  iss?: string;
  /** One key each; RS256 alone unless given. */
  algorithms?: IssuerAlgorithm[];
  /** PEM texts: it serves HTTPS then. */
  tls?: { key: string; cert: string };
  /** A free one unless given. */
  port?: number;
}

export interface SignOptions {
  /** Replaces and adds header members. */
  header?: Record<string, unknown>;
  /** Another key than the newest of the first algorithm. */
  key?: IssuerKey;
  /** Another `kid` than the key's; null leaves it out. */
  kid?: string | null;
}

/** A real OIDC issuer on the loopback interface: discovery document, key set, tokens. */
export interface LocalIssuer {
  url: string;
  iss: string;
  /** The published keys, newest first. */
  keys: IssuerKey[];
  jwks(): { keys: JWK[] };
  /** A signed token of exactly these claims; `iss` is ours unless they say another. */
  sign(claims: Claims, options?: SignOptions): Promise<string>;
  /** A new key of the first algorithm; the old ones stay published unless `dropOld`. */
  rotate(options?: { dropOld?: boolean }): Promise<IssuerKey>;
  /** How it answers from now on; null: properly again. `path` limits it to one of the two documents. */
  fail(failure: IssuerFailure | null, path?: 'discovery' | 'jwks'): void;
  /** How often each document was asked for. */
  requests: { discovery: number; jwks: number };
  stop(): Promise<void>;
}

let made = 0;

/** A new key; for an issuer, or to sign what should be refused. */
export async function generateIssuerKey(alg: IssuerAlgorithm = 'RS256', kid?: string): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  made += 1;
  const name = kid ?? `key-${made}`;
  return { kid: name, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid: name, alg, use: 'sig' } };
}

async function signWith(key: IssuerKey, claims: Claims, { header, kid }: SignOptions): Promise<string> {
  const kidMember = kid === null ? {} : { kid: kid ?? key.kid };
  return new SignJWT(claims)
    .setProtectedHeader({ typ: 'JWT', ...kidMember, ...header, alg: key.alg })
    .sign(key.privateKey);
}

async function listen(
  listener: RequestListener,
  { tls, port }: LocalIssuerOptions,
): Promise<{ server: Server; url: string }> {
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  server.listen(port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const scheme = tls === undefined ? 'http' : 'https';
  return { server, url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Starts an issuer; stop it when done. */
export async function startLocalIssuer(options: LocalIssuerOptions = {}): Promise<LocalIssuer> {
  const [first = 'RS256', ...others] = options.algorithms ?? ['RS256'];
  const keys = await Promise.all([first, ...others].map((alg) => generateIssuerKey(alg)));
  const failures: Partial<Record<'discovery' | 'jwks', IssuerFailure>> = {};
  const requests = { discovery: 0, jwks: 0 };
  const jwks = (): { keys: JWK[] } => ({ keys: keys.map(({ publicJwk }) => publicJwk) });
  const metadata = (): object => ({
    issuer: iss,
    jwks_uri: `${url}/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(keys.map(({ alg }) => alg))],
  });
  const { server, url } = await listen((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const name = path.endsWith('/.well-known/openid-configuration')
      ? 'discovery'
      : path === '/jwks'
        ? 'jwks'
        : undefined;
    if (name === undefined) return void response.writeHead(404).end();
    requests[name] += 1;
    respondWith(response, failures[name], name === 'jwks' ? jwks() : metadata());
  }, options);
  const iss = options.iss ?? url;
  return {
    url,
    iss,
    keys,
    jwks,
    requests,
    sign: (claims, sign = {}) => signWith(sign.key ?? (keys[0] as IssuerKey), { iss, ...claims }, sign),
    rotate: async ({ dropOld = false } = {}) => {
      const key = await generateIssuerKey(first);
      if (dropOld) keys.length = 0;
      keys.unshift(key);
      return key;
    },
    fail: (failure, path) => {
      for (const name of path === undefined ? (['discovery', 'jwks'] as const) : [path]) {
        if (failure === null) delete failures[name];
        else failures[name] = failure;
      }
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
