import { eventually, runSql, startLocalIssuer, type LocalIssuer, type Stack } from '@countersign/testing';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose';
import { admin, apply, exchange, startTestStack, type Answer } from '../support/client';
import { githubClaims, jwtIssuer, policy, role } from '../support/documents';
import { CachingVerifier } from './caching-verifier';

const ROUNDS = process.env['COUNTERSIGN_SOAK'] === '1' ? 20 : 2;
/** More than the time that a key is published before it signs. */
const PUBLISHED_FOR = '7 minutes';

describe('our signing keys, with three replicas of the exchange', () => {
  let stack: Stack;
  let issuer: LocalIssuer;
  let verifiers: CachingVerifier[];
  const issued: string[] = [];

  const kidOf = (token: string): string => String(decodeProtectedHeader(token).kid);
  const replicas = (): { url: string }[] => [...stack.replicasOf('exchange')];
  const publishedBy = async ({ url }: { url: string }): Promise<JSONWebKeySet> =>
    (await (await fetch(`${url}/oauth2/jwks`)).json()) as JSONWebKeySet;
  const rotate = (query = ''): Promise<Answer> => admin(stack, 'POST', `/v1/signing-keys/rotate${query}`);

  async function issue(from: { url: string } = stack, claims: Record<string, unknown> = {}): Promise<string> {
    const { status, body } = await exchange(from, await issuer.sign(githubClaims(issuer.iss, claims)));
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
    return body.access_token as string;
  }

  /** Exchanges and verifies until told to stop; what fails stands in `verifiers`, or rejects. */
  async function load(stopped: () => boolean): Promise<void> {
    while (!stopped()) {
      const token = await issue();
      issued.push(token);
      await Promise.all(verifiers.map((verifier) => verifier.verify(token)));
    }
  }

  const signsEverywhere = (kid: string): Promise<void> =>
    eventually(async () => {
      const tokens = await Promise.all(replicas().map((replica) => issue(replica)));
      expect(tokens.map(kidOf)).toEqual(tokens.map(() => kid));
    });

  /** Every verifier has replaced its copy of the keys, begun after now. */
  const oneCacheTime = async (): Promise<void> => {
    await Promise.all(verifiers.map(({ fetches }) => fetches.atLeast(fetches.items.length + 2)));
  };

  beforeAll(async () => {
    [stack, issuer] = await Promise.all([startTestStack({ replicas: { exchange: 3 } }), startLocalIssuer()]);
    const pinned = (id: string): object => ({
      StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository_id': [id] },
    });
    await apply(stack, [
      jwtIssuer('github', issuer.iss),
      policy('deploy', ['Function:Deploy'], ['*']),
      policy('read-keys', ['Iam:Read'], ['countersign:*']),
      role('deployers', { policy: ['deploy'], condition: pinned('1001') }),
      role('readers', { policy: ['read-keys'], condition: pinned('9009') }),
    ]);
    verifiers = [stack, ...replicas()].map(({ url }) => new CachingVerifier(`${url}/oauth2/jwks`, stack.url));
    await eventually(() => issue());
  });

  afterAll(async () => {
    await stack?.stop();
    await issuer?.stop();
  });

  it('are one active and one next key, although the replicas started at once', async () => {
    const { status, body } = await admin(stack, 'GET', '/v1/signing-keys');
    expect(status).toBe(200);
    const unused = { alg: 'ES256', retiredAt: null, publishedUntil: null };
    expect(body).toEqual({
      items: [
        { ...unused, kid: expect.any(String), state: 'next', createdAt: expect.any(String), activatedAt: null },
        {
          ...unused,
          kid: expect.any(String),
          state: 'active',
          createdAt: expect.any(String),
          activatedAt: expect.any(String),
        },
      ],
      nextCursor: null,
    });
    const sets = await Promise.all(replicas().map(publishedBy));
    for (const { keys } of sets) {
      expect(keys.map(({ kid }) => kid).sort()).toEqual((body.items as { kid: string }[]).map(({ kid }) => kid).sort());
      for (const key of keys) expect(Object.keys(key)).not.toContain('d');
    }
  });

  // R-24, I5
  it('rotate under load without one failed verification, although verifiers ask for keys only when their copy is old', async () => {
    let stopped = false;
    const loads = Promise.all([1, 2, 3, 4].map(() => load(() => stopped)));
    for (let round = 0; round < ROUNDS; round += 1) {
      const answer = await rotate();
      expect(answer).toMatchObject({ status: 200, body: { state: 'next' } });
      const wait = Date.parse(answer.body.takesOverAt as string) - Date.now();
      expect(wait).toBeGreaterThan(300_000);
      await oneCacheTime();
      // Instead of waiting six minutes; a copy of the keys has been replaced in the meantime everywhere.
      await runSql(
        stack.databaseUrl('migrator'),
        `UPDATE exchange.signing_key SET created_at = created_at - interval '${PUBLISHED_FOR}' WHERE state = 'next'`,
      );
      await signsEverywhere(answer.body.kid as string);
    }
    stopped = true;
    await loads;
    expect(verifiers.flatMap(({ failures }) => failures)).toEqual([]);
    expect(new Set(issued.map(kidOf)).size).toBe(ROUNDS + 1);
    for (const replica of replicas()) {
      const keys = createLocalJWKSet(await publishedBy(replica));
      await Promise.all(issued.map((token) => jwtVerify(token, keys)));
    }
  });

  it('stay the same over a restart', async () => {
    const kid = kidOf(await issue());
    const [first] = stack.replicasOf('exchange');
    await first?.restart();
    expect(kidOf(await issue(first))).toBe(kid);
  });

  it('are all replaced at once in an emergency, and what they signed counts nowhere any more', async () => {
    const leaked = await issue(stack, { repository_id: '9009' });
    const reader = (adminToken: string): Promise<Answer> =>
      admin({ url: stack.url, adminToken }, 'GET', '/v1/signing-keys');
    expect((await reader(leaked)).status).toBe(200);
    const { status, body } = await rotate('?emergency=true');
    expect({ status, state: body.state }).toEqual({ status: 200, state: 'active' });
    await signsEverywhere(body.kid as string);
    for (const replica of replicas()) {
      const { keys } = await publishedBy(replica);
      expect(keys.map(({ kid }) => kid)).toEqual([body.kid, expect.any(String)]);
      await expect(jwtVerify(leaked, createLocalJWKSet({ keys }))).rejects.toThrow('no applicable key');
    }
    await eventually(async () => expect((await reader(leaked)).status).toBe(401));
    expect((await reader(await issue(stack, { repository_id: '9009' }))).status).toBe(200);
  });

  // AUD-04
  it('leave a record of who rotated them', async () => {
    const type = 'dev.countersign.signing_key.rotated.v1';
    const events = await eventually(async () => {
      const { body } = await admin(stack, 'GET', `/v1/events?type=${type}`);
      expect(body.items).toHaveLength(ROUNDS + 1);
      return body.items as { subject: string; data: Record<string, unknown> }[];
    });
    expect(events[0]?.data).toMatchObject({ emergency: true, author: 'bootstrap', previousKid: expect.any(String) });
    expect(events[0]?.data.kid).toBe(events[0]?.subject);
    expect(events[1]?.data).toMatchObject({ emergency: false });
    expect(JSON.stringify(events)).not.toContain('"d"');
  });

  it.each([
    ['a reader may not rotate', '', 403],
    ['nobody may without credentials', null, 401],
  ])('are guarded: %s', async (_, token, wanted) => {
    const adminToken = token === null ? '' : await issue(stack, { repository_id: '9009' });
    expect((await admin({ url: stack.url, adminToken }, 'POST', '/v1/signing-keys/rotate')).status).toBe(wanted);
  });

  it.each(['?emergency=yes', '?emergency=', '?force=true', '?emergency=true&emergency=true'])(
    'are not rotated by mistake: %s',
    async (query) => {
      const before = (await publishedBy(stack)).keys;
      expect((await rotate(query)).status).toBe(422);
      expect((await publishedBy(stack)).keys).toEqual(before);
    },
  );
});
