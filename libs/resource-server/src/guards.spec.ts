import 'reflect-metadata';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, Get, HttpException, Module, Req } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import express from 'express';
import fastify from 'fastify';
import type { DecisionAnswer } from './decider';
import { expressGuard } from './express-guard';
import { fastifyGuard } from './fastify-guard';
import { identityOf, type GuardOptions, type NeededPermission } from './gate';
import { nestGuard } from './nest-guard';
import type { RefusalReason } from './reasons';
import { Authority, newProofKey, AUDIENCE } from './resource-server.fixture';

interface Running {
  url: string;
  stop: () => Promise<unknown>;
}

type Start = (options: GuardOptions<{ headers: object }>) => Promise<Running>;

const startExpress: Start = async (options) => {
  const app = express();
  app.get('/things', expressGuard(options), (request, response) => {
    response.json({ subject: identityOf(request).subject });
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, stop: async () => server.close() };
};

const startFastify: Start = async (options) => {
  const app = fastify();
  app.addHook('onRequest', fastifyGuard(options));
  app.get('/things', async (request) => ({ subject: identityOf(request).subject }));
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), stop: () => app.close() };
};

@Controller()
class ThingsController {
  @Get('things')
  things(@Req() request: object) {
    return { subject: identityOf(request).subject };
  }
}

@Module({ controllers: [ThingsController] })
class ThingsModule {}

const startNest: Start = async (options) => {
  const app = await NestFactory.create<NestFastifyApplication>(ThingsModule, new FastifyAdapter(), { logger: false });
  app.useGlobalGuards(nestGuard(HttpException, options));
  await app.listen(0, '127.0.0.1');
  return { url: await app.getUrl(), stop: () => app.close() };
};

const CHALLENGES = {
  none: 'Bearer, DPoP algs="ES256 ES384 RS256 PS256 EdDSA Ed25519"',
  bearer: 'Bearer error="invalid_token"',
  dpop: 'DPoP error="invalid_token", algs="ES256 ES384 RS256 PS256 EdDSA Ed25519"',
  proof: 'DPoP error="invalid_dpop_proof", algs="ES256 ES384 RS256 PS256 EdDSA Ed25519"',
  scope: 'Bearer error="insufficient_scope"',
};

let authority: Authority;
beforeAll(async () => {
  authority = await Authority.start();
});
afterAll(() => authority.stop());

describe.each([
  ['Express', startExpress],
  ['Fastify', startFastify],
  ['Nest', startNest],
])('guarded by %s', (_, start) => {
  let running: Running;
  const reasons: RefusalReason[] = [];
  let needed: NeededPermission = { action: 'Thing:Read', resource: 'things:all' };
  let decision: DecisionAnswer = { ok: true, allowed: true };
  const questions: object[] = [];

  beforeAll(async () => {
    running = await start({
      verifier: authority.verifier(),
      baseUrl: AUDIENCE,
      roles: ['admins', 'deployers'],
      permission: () => needed,
      decider: { decide: async (question) => (questions.push(question), decision) },
      onRefused: (reason) => reasons.push(reason),
    });
  });
  afterAll(() => running.stop());
  beforeEach(() => {
    reasons.length = 0;
    questions.length = 0;
    decision = { ok: true, allowed: true };
    needed = { action: 'Thing:Read', resource: 'things:all' };
  });

  const ask = async (authorization?: string, dpop?: string) => {
    const headers = { ...(authorization && { authorization }), ...(dpop && { dpop }) };
    const response = await fetch(`${running.url}/things?a=1`, { headers });
    const body = (await response.json()) as object;
    return { status: response.status, challenge: response.headers.get('www-authenticate'), body, reasons };
  };

  test.each(['Bearer', 'bearer', 'BEARER  '])('a good token comes in with the scheme %s', async (scheme) => {
    const answer = await ask(`${scheme} ${await authority.token()}`);
    const body = { subject: 'github:repo:acme/web:ref:refs/heads/main' };
    expect(answer).toEqual({ status: 200, challenge: null, body, reasons: [] });
  });

  test('a bound token comes in with its proof, and once with each', async () => {
    const key = await newProofKey();
    const token = await authority.token({ cnf: { jkt: key.thumbprint } });
    const proof = await authority.proof(key, token);
    expect(await ask(`DPoP ${token}`, proof)).toMatchObject({ status: 200 });
    const again = { status: 401, challenge: CHALLENGES.proof, reasons: ['proof_replayed'] };
    expect(await ask(`DPoP ${token}`, proof)).toMatchObject(again);
  });

  test('a bound token does not come in as a bearer token, nor without proof', async () => {
    const key = await newProofKey();
    const token = await authority.token({ cnf: { jkt: key.thumbprint } });
    const refused = { status: 401, challenge: CHALLENGES.dpop };
    expect(await ask(`Bearer ${token}`, await authority.proof(key, token))).toMatchObject(refused);
    expect(await ask(`DPoP ${token}`)).toMatchObject(refused);
    expect(reasons).toEqual(['proof_missing', 'proof_missing']);
  });

  test('an unbound token does not come in under the DPoP scheme', async () => {
    const token = await authority.token();
    const proof = await authority.proof(await newProofKey(), token);
    const refused = { status: 401, challenge: CHALLENGES.dpop };
    expect(await ask(`DPoP ${token}`)).toMatchObject(refused);
    expect(await ask(`DPoP ${token}`, proof)).toMatchObject(refused);
    expect(reasons).toEqual(['not_bound', 'not_bound']);
  });

  test.each<[string | undefined, RefusalReason, string, string]>([
    [undefined, 'no_token', CHALLENGES.none, 'unauthorized'],
    ['Basic dXNlcjpwYXNz', 'no_bearer_token', CHALLENGES.none, 'unauthorized'],
    ['Bearer', 'no_bearer_token', CHALLENGES.none, 'unauthorized'],
    ['Bearer a b', 'no_bearer_token', CHALLENGES.none, 'unauthorized'],
    ['Bearer junk', 'form', CHALLENGES.bearer, 'invalid_token'],
  ])('%s is refused with a challenge, and the reason stays here', async (header, reason, challenge, error) => {
    const answer = await ask(header);
    expect(answer).toMatchObject({ status: 401, challenge, reasons: [reason] });
    expect(answer.body).toEqual({ error });
  });

  test('a token without one of the roles is too little', async () => {
    const answer = await ask(`Bearer ${await authority.token({ roles: ['readers'] })}`);
    expect(answer).toMatchObject({ status: 403, challenge: CHALLENGES.scope, reasons: ['not_allowed'] });
  });

  test.each<[DecisionAnswer, number, string[]]>([
    [{ ok: true, allowed: true }, 200, []],
    [{ ok: true, allowed: false }, 403, ['not_allowed']],
    [{ ok: false, reason: 'decision_unavailable' }, 503, ['decision_unavailable']],
  ])('without permissions in the token the decision %j counts', async (given, status, expected) => {
    decision = given;
    const token = await authority.token();
    expect(await ask(`Bearer ${token}`)).toMatchObject({ status, reasons: expected });
    expect(questions).toEqual([{ token, ...needed }]);
  });

  test('permissions in the token narrow what the decider allows, and widen nothing', async () => {
    const detail = { type: 'countersign_permission', actions: ['Thing:Read'], resources: ['things:all'] };
    const token = await authority.token({ authorization_details: [detail] });
    expect(await ask(`Bearer ${token}`)).toMatchObject({ status: 200 });
    decision = { ok: true, allowed: false };
    expect(await ask(`Bearer ${token}`)).toMatchObject({ status: 403 });
    expect(questions).toHaveLength(2);
    decision = { ok: true, allowed: true };
    needed = { action: 'Thing:Write', resource: 'things:all' };
    expect(await ask(`Bearer ${token}`)).toMatchObject({ status: 403 });
    expect(questions).toHaveLength(2);
  });

  test('the proof of a bound token is passed on to the decider', async () => {
    const key = await newProofKey();
    const token = await authority.token({ cnf: { jkt: key.thumbprint } });
    const proof = await authority.proof(key, token);
    expect(await ask(`DPoP ${token}`, proof)).toMatchObject({ status: 200 });
    expect(questions).toEqual([{ token, ...needed, dpop: { proof, method: 'GET', url: `${AUDIENCE}/things?a=1` } }]);
  });
});

test('without a decider, permissions in the token are all that is allowed', async () => {
  const permission = (): NeededPermission => ({ action: 'Thing:Read', resource: 'things:all' });
  const running = await startFastify({ verifier: authority.verifier(), permission });
  const statusWith = async (changes: object): Promise<number> => {
    const headers = { authorization: `Bearer ${await authority.token({ ...changes })}` };
    return (await fetch(`${running.url}/things`, { headers })).status;
  };
  const detail = { type: 'countersign_permission', actions: ['Thing:*'], resources: ['things:*'] };
  expect(await statusWith({ authorization_details: [detail] })).toBe(200);
  expect(await statusWith({ authorization_details: [{ ...detail, actions: ['Thing:Write'] }] })).toBe(403);
  expect(await statusWith({})).toBe(403);
  await running.stop();
});

test('keys that cannot be had are 503 with Retry-After, not a bad token', async () => {
  const running = await startFastify({ verifier: authority.verifier({ issuer: 'http://127.0.0.1:1' }) });
  const headers = { authorization: `Bearer ${await authority.token()}` };
  const response = await fetch(`${running.url}/things`, { headers });
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
  await running.stop();
});

test('a fault of the application is not an open door', async () => {
  const permission = (): never => {
    throw new Error('a bug');
  };
  for (const start of [startExpress, startFastify, startNest]) {
    const running = await start({ verifier: authority.verifier(), permission });
    const headers = { authorization: `Bearer ${await authority.token()}` };
    expect((await fetch(`${running.url}/things`, { headers })).status).toBe(500);
    await running.stop();
  }
});

test('an unguarded route has no identity', () => {
  expect(() => identityOf({})).toThrow('no guard');
});
