import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express, { type Handler } from 'express';
import { auth, InsufficientScopeError } from 'express-oauth2-jwt-bearer';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import jwksRsa from 'jwks-rsa';
import passport from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { createVerifier } from '@countersign/resource-server';
import { claimsOf, exchange } from '../support/client';
import { API, ClientSystem } from './client-system';

const SUBJECT = 'github:repo:acme/web:ref:refs/heads/main';

interface Guarded {
  get: (token?: string) => Promise<{ status: number; body: string; challenge: string | null }>;
  stop: () => void;
}

/** An API that answers with the subject that the guard found. */
async function startApi(guard: Handler[], subjectOf: (request: express.Request) => unknown): Promise<Guarded> {
  const app = express();
  app.get('/', ...guard, (request, response) => void response.send(String(subjectOf(request))));
  const refuse: express.ErrorRequestHandler = (error: InsufficientScopeError, _request, response, _next) => {
    response
      .status(error.status ?? 500)
      .set(error.headers ?? {})
      .send('');
  };
  const server = createServer(app.use(refuse)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const get: Guarded['get'] = async (token) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(url, { headers });
    return {
      status: response.status,
      body: await response.text(),
      challenge: response.headers.get('www-authenticate'),
    };
  };
  return { get, stop: () => server.close() };
}

const ALGORITHMS = ['ES256', 'RS256', 'EdDSA'] as const;
const systems = new Map<string, ClientSystem>();

beforeAll(async () => {
  const start = async (algorithm: string) =>
    systems.set(algorithm, await ClientSystem.start({ COUNTERSIGN_SIGNING_ALG: algorithm }));
  await Promise.all(ALGORITHMS.map(start));
});
afterAll(() => Promise.all([...systems.values()].map((clients) => clients.stop())));

describe.each(ALGORITHMS)('tokens signed with %s are verified by', (algorithm) => {
  let clients: ClientSystem;
  const guarded: Guarded[] = [];

  beforeAll(() => {
    clients = systems.get(algorithm) as ClientSystem;
  });
  afterAll(() => guarded.forEach(({ stop }) => stop()));

  const token = async (audience = API): Promise<string> => {
    const { body } = await exchange(clients.system, await clients.jobToken(), { audience });
    return String(body.access_token);
  };
  const guard = async (handlers: Handler[], subjectOf: (request: express.Request) => unknown): Promise<Guarded> => {
    const api = await startApi(handlers, subjectOf);
    guarded.push(api);
    return api;
  };
  /** The claims of another token under the signature of this one. */
  const tampered = async (): Promise<string> => {
    const [header, , signature] = (await token()).split('.');
    const [, claims] = (await token()).split('.');
    return `${header}.${claims}.${signature}`;
  };
  const expectGuarded = async (api: Guarded): Promise<void> => {
    expect(await api.get(await token())).toMatchObject({ status: 200, body: SUBJECT });
    for (const bad of [
      await token(clients.system.url),
      await tampered(),
      await clients.jobToken({ aud: API }),
      undefined,
    ])
      expect((await api.get(bad)).status).toBe(401);
  };

  test('jose', async () => {
    const keys = createRemoteJWKSet(new URL(`${clients.system.url}/oauth2/jwks`));
    const options = { issuer: clients.system.url, audience: API, typ: 'at+jwt', algorithms: [algorithm] };
    const verified = await jwtVerify(await token(), keys, options);
    expect(verified.payload.sub).toBe(SUBJECT);
    await expect(jwtVerify(await tampered(), keys, options)).rejects.toThrow('signature');
  });

  test('express-oauth2-jwt-bearer in strict mode, from the metadata alone', async () => {
    const handler = auth({
      issuerBaseURL: clients.system.url,
      audience: API,
      strict: true,
      tokenSigningAlg: algorithm,
    });
    await expectGuarded(await guard([handler], (request) => request.auth?.payload.sub));
  });

  // jsonwebtoken, with which passport-jwt verifies, knows no EdDSA.
  if (algorithm !== 'EdDSA') {
    test('passport-jwt with the keys that jwks-rsa fetches', async () => {
      const strategy = new Strategy(
        {
          jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
          secretOrKeyProvider: jwksRsa.passportJwtSecret({ jwksUri: `${clients.system.url}/oauth2/jwks`, cache: true }),
          issuer: clients.system.url,
          audience: API,
          algorithms: [algorithm],
        },
        (payload: Express.User, done) => done(null, payload),
      );
      const handler = new passport.Passport().use(strategy).authenticate('jwt', { session: false }) as Handler;
      await expectGuarded(await guard([handler], ({ user }) => (user as { sub?: string } | undefined)?.sub));
    });
  }

  test('our own library, which finds the same in them', async () => {
    const verifier = createVerifier({ issuer: clients.system.url, audience: API });
    const own = await token();
    expect(await verifier.verify(own)).toMatchObject({
      ok: true,
      identity: { subject: SUBJECT, roles: ['deployers'], policies: ['deploy'], tokenId: claimsOf(own)['jti'] },
    });
    expect(await verifier.verify(await tampered())).toEqual({ ok: false, reason: 'signature' });
    expect(await verifier.verify(await token(clients.system.url))).toEqual({ ok: false, reason: 'audience' });
  });
});
