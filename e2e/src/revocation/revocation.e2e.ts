import { setTimeout as delay } from 'node:timers/promises';
import type { RecordedEvent } from '@countersign/contracts';
import { eventually, generous } from '@countersign/testing';
import { admin, adminOnce, claimsOf, type Answer } from '../support/client';
import { ALIVE, DEAD, form, RevocationSystem, UNKNOWN } from './revocation-system';

/** What CONTRACT promises for revocations by claim, on every replica. */
const WITHIN_MS = generous(2_000);

let system: RevocationSystem;

beforeAll(async () => {
  system = await RevocationSystem.start();
});

afterAll(() => system?.stop());

const jtiOf = (token: string): string => claimsOf(token).jti as string;
const revocations = (method: string, path = '', body?: unknown): Promise<Answer> =>
  admin(system.stack, method, `/v1/revocations${path}`, body);

/** Events of a type, oldest first. */
async function eventsOf(type: string): Promise<RecordedEvent[]> {
  const { body } = await admin(system.stack, 'GET', `/v1/events?type=dev.countersign.${type}.v1&limit=500`);
  return (body.items as RecordedEvent[]).reverse();
}

/** Tokens of the next second are issued after what happens now. */
const nextSecond = (): Promise<void> => delay(1_000 - (Date.now() % 1_000) + 5);

describe('introspection', () => {
  it('says what a token says, and who may use it how', async () => {
    const token = await system.token('deployers');
    const { status, headers, body } = await system.introspect(token);
    const { fed: _, policy_revision: _at, ...said } = claimsOf(token);
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({ active: true, ...said, token_type: 'Bearer' });
  });

  it('says nothing of anything else than that it is not active', async () => {
    const token = await system.token('deployers');
    const foreign = await system.issuer.sign({ iss: system.issuer.iss, sub: 'x' });
    for (const one of [
      'nonsense',
      'a.b.c',
      foreign,
      `${token.slice(0, -4)}AAAA`,
      token.split('.').slice(0, 2).join('.'),
    ]) {
      const { status, body } = await system.introspect(one);
      expect({ status, body }).toEqual({ status: 200, body: { active: false } });
    }
  });

  it('is for whoever may ask: 401 and 403 in the form of OAuth', async () => {
    const token = await system.token('deployers');
    const url = `${system.stack.url}/oauth2/introspect`;
    const [nobody, forged] = [await form(url, { token }), await form(url, { token }, 'wrong')];
    expect([nobody.status, nobody.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect([forged.status, forged.headers.get('www-authenticate')]).toEqual([401, 'Bearer error="invalid_token"']);
    expect(nobody.body).toEqual({
      error: 'invalid_token',
      error_description: expect.any(String),
      trace_id: expect.any(String),
    });
    const { status, body } = await form(url, { token }, token);
    expect({ status, error: body.error }).toEqual({ status: 403, error: 'insufficient_scope' });
    const watcher = await system.token('watchers');
    expect((await form(url, { token }, watcher)).body).toMatchObject({ active: true });
  });

  it.each([
    ['no token', {}],
    ['an empty token', { token: '' }],
  ])('and revocation refuse %s: 400', async (_, fields) => {
    for (const path of ['introspect', 'revoke']) {
      const { status, body } = await form(`${system.stack.url}/oauth2/${path}`, fields, system.stack.adminToken);
      expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_request' });
    }
  });

  it('and revocation refuse a token in the query string, and a body that is no form: 400', async () => {
    for (const path of ['introspect', 'revoke']) {
      const url = `${system.stack.url}/oauth2/${path}`;
      const headers = { authorization: `Bearer ${system.stack.adminToken}` };
      const json = { ...headers, 'content-type': 'application/json' };
      const answers = [
        await fetch(`${url}?token=x`, { method: 'POST', headers, body: new URLSearchParams({ token: 'x' }) }),
        await fetch(url, { method: 'POST', headers: json, body: '{"token":"x"}' }),
      ];
      for (const answer of answers)
        expect([answer.status, ((await answer.json()) as { error: string }).error]).toEqual([400, 'invalid_request']);
    }
  });
});

describe('a revoked token', () => {
  it('is dead at once on every replica, and the trail says so once', async () => {
    const token = await system.token('deployers');
    const other = await system.token('deployers');
    expect(await system.seen(token)).toEqual(ALIVE);
    const first = await system.revoke(token, system.replicas('exchange')[1]);
    expect(await system.seen(token)).toEqual(DEAD);
    const second = await system.revoke(token);
    expect([first.status, first.body, second.status, second.body]).toEqual([200, '', 200, '']);
    expect(await system.seen(other)).toEqual(ALIVE);
    const events = await eventually(async () => {
      const found = (await eventsOf('token.revoked')).filter(({ data }) => JSON.stringify(data).includes(jtiOf(token)));
      if (found.length === 0) throw new Error('no event');
      return found;
    });
    expect(events).toMatchObject([
      { data: { outcome: 'revoked', issuer: 'github', token: { jti: jtiOf(token) }, sourceIp: '127.0.0.1' } },
    ]);
    expect(JSON.stringify(events)).not.toContain(token);
  });

  it('is dead from the moment that one replica said so in Redis, announced or not', async () => {
    const token = await system.token('deployers');
    await system.markInRedis(token);
    expect(await system.seen(token)).toEqual(DEAD);
  });

  it.each(['nonsense', 'a.b.c', 'ey.ey.ey'])('%s needs no revocation: 200 and no body', async (token) => {
    const { status, body } = await system.revoke(token);
    expect([status, body]).toEqual([200, '']);
  });

  it('opens no admin call any more: 401', async () => {
    const token = await system.token('readers');
    const call = () => admin({ url: system.stack.url, adminToken: token }, 'GET', '/v1/resources');
    expect((await call()).status).toBe(200);
    await system.revoke(token);
    const { status, headers } = await call();
    expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer error="invalid_token"']);
  });

  it('takes what was narrowed from it along; to revoke the narrowed one spares it', async () => {
    const parent = await system.token('deployers');
    const [child, other] = [await system.narrow(parent), await system.narrow(parent)];
    const grandchild = await system.narrow(other);
    await system.revoke(child);
    expect([await system.seen(child), await system.seen(grandchild)]).toEqual([DEAD, ALIVE]);
    await system.revoke(parent);
    expect([await system.seen(parent), await system.seen(grandchild)]).toEqual([DEAD, DEAD]);
    await expect(system.narrow(parent)).rejects.toThrow(
      '400 {"error":"invalid_request","error_description":"token not valid"',
    );
  });
});

describe('a revocation', () => {
  const kill = async (terms: object): Promise<{ id: string; since: number }> => {
    const { status, body, headers } = await revocations('POST', '', { ...terms, reason: 'leaked' });
    expect({ status, body }).toMatchObject({ status: 201 });
    expect(headers.get('location')).toBe(`/v1/revocations/${body.id}`);
    return { id: body.id as string, since: performance.now() };
  };

  const expectAll = async (token: string, wanted: unknown[], since: number): Promise<void> => {
    await eventually(async () => expect(await system.seen(token)).toEqual(wanted), WITHIN_MS);
    expect(performance.now() - since).toBeLessThan(WITHIN_MS);
  };

  it('by run_id kills the tokens of that run on every replica within 2 s, and bans nobody', async () => {
    const [doomed, spared] = [
      await system.token('deployers', { run_id: '666' }),
      await system.token('deployers', { run_id: '667' }),
    ];
    const { id, since } = await kill({ issuer: 'github', claims: { run_id: '666' } });
    await expectAll(doomed, DEAD, since);
    expect(await system.seen(spared)).toEqual(ALIVE);
    await nextSecond();
    expect(await system.seen(await system.token('deployers', { run_id: '666' }))).toEqual(ALIVE);
    const { body } = await revocations('GET');
    expect(body.items).toContainEqual({
      id,
      issuer: 'github',
      role: null,
      claims: { run_id: '666' },
      reason: 'leaked',
      author: 'bootstrap',
      createdAt: expect.any(String),
      expiresAt: expect.any(String),
    });
  });

  it('is taken back: what only it killed lives again; the trail has both', async () => {
    const token = await system.token('deployers', { run_id: '668' });
    const { id, since } = await kill({ claims: { run_id: '668' } });
    await expectAll(token, DEAD, since);
    expect((await revocations('DELETE', `/${id}`)).status).toBe(204);
    await expectAll(token, ALIVE, performance.now());
    expect((await revocations('DELETE', `/${id}`)).status).toBe(404);
    expect((await revocations('DELETE', '/none')).status).toBe(404);
    await eventually(async () => {
      const [created] = (await eventsOf('revocation.created')).filter(({ subject }) => subject === id);
      const [deleted] = (await eventsOf('revocation.deleted')).filter(({ subject }) => subject === id);
      for (const event of [created, deleted])
        expect(event?.data).toMatchObject({ author: 'bootstrap', reason: 'leaked', claims: { run_id: '668' } });
    });
  });

  it('by role kills tokens of that role alone', async () => {
    const [doomed, spared] = [await system.token('thrice'), await system.token('deployers')];
    const { since } = await kill({ role: 'thrice' });
    await expectAll(doomed, DEAD, since);
    expect(await system.seen(spared)).toEqual(ALIVE);
  });

  it('by issuer kills all its tokens, admin tokens too', async () => {
    const [doomed, reader] = [await system.token('deployers'), await system.token('readers')];
    const { id, since } = await kill({ issuer: system.issuer.iss });
    await expectAll(doomed, DEAD, since);
    const call = () => admin({ url: system.stack.url, adminToken: reader }, 'GET', '/v1/resources');
    await eventually(async () => expect((await call()).status).toBe(401), WITHIN_MS);
    await revocations('DELETE', `/${id}`);
  });

  it('is listed in pages, newest first', async () => {
    const ids = [];
    for (const run_id of ['1', '2', '3']) ids.unshift((await kill({ claims: { run_id } })).id);
    const first = await revocations('GET', '?limit=2');
    const second = await revocations('GET', `?limit=1&cursor=${first.body.nextCursor}`);
    const items = [...first.body.items, ...second.body.items] as { id: string }[];
    expect(items.map(({ id }) => id)).toEqual(ids);
    expect((await revocations('GET', '?limit=0')).status).toBe(422);
    expect((await revocations('GET', '?cursor=x')).status).toBe(422);
  });

  it('is refused with what is wrong with it, and to whoever may not', async () => {
    const { status, body } = await revocations('POST', '', { claims: { run_id: 42 }, reason: 'x', until: 'x' });
    expect(status).toBe(422);
    expect((body.errors as { path: string }[]).map(({ path }) => path).sort()).toEqual(['/claims/run_id', '/until']);
    const reader = { url: system.stack.url, adminToken: await system.token('readers') };
    expect((await admin(reader, 'POST', '/v1/revocations', { role: 'x', reason: 'x' })).status).toBe(403);
  });
});

describe('maxUses', () => {
  it('is counted over all replicas and over narrowed tokens: of twelve uses at once three succeed', async () => {
    await nextSecond();
    const token = await system.token('thrice');
    const family = [token, await system.narrow(token), await system.narrow(token)];
    const decisions = await Promise.all(
      family.flatMap((one) =>
        [...system.replicas('policy'), ...system.replicas('policy')].map((at) => system.decide(one, at)),
      ),
    );
    expect(decisions.filter((decision) => decision === true)).toHaveLength(3);
    expect(decisions.filter((decision) => decision === false)).toHaveLength(9);
  });
});

describe('what is revoked stays revoked', () => {
  const comesBack = (token: string, seen: unknown[]): Promise<void> =>
    eventually(async () => expect(await system.seen(token)).toEqual(seen));

  it('when Redis is gone nothing is said of any token (503), and afterwards the same as before', async () => {
    const [revoked, alive] = [await system.token('deployers'), await system.token('deployers')];
    const [reader, late] = [await system.token('readers'), await system.token('deployers')];
    await system.revoke(revoked);
    await system.stack.redis.kill();
    expect(await system.seen(alive)).toEqual(UNKNOWN);
    expect((await adminOnce({ url: system.stack.url, adminToken: reader }, 'GET', '/v1/resources')).status).toBe(503);
    expect((await system.revoke(late)).status).toBe(503);
    await system.stack.redis.restart();
    await comesBack(alive, ALIVE);
    expect((await system.revoke(late)).status).toBe(200);
    expect([await system.seen(revoked), await system.seen(late)]).toEqual([DEAD, DEAD]);
  });

  it('when Redis lost its newest writes', async () => {
    const token = await system.token('deployers');
    await system.revoke(token);
    await system.forgetInRedis(token);
    await comesBack(token, DEAD);
  });

  it('while PostgreSQL is away for longer than a copy may be old, nothing is said of any token (503)', async () => {
    const token = await system.token('deployers');
    await system.stack.postgres.kill();
    await eventually(async () => expect((await system.seen(token)).slice(0, 2)).toEqual([503, 503]));
    await system.stack.postgres.restart();
    await comesBack(token, ALIVE);
  });
});
