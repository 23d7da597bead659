import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { IssuerStatus } from '@countersign/contracts';
import {
  eventually,
  generateIssuerKey,
  startLocalIssuer,
  type IssuerFailure,
  type IssuerKey,
  type LocalIssuer,
  type Stack,
} from '@countersign/testing';
import { admin, apply, exchangeOnce, startTestStack } from '../support/client';
import { githubClaims } from '../support/documents';
import { outcome, outcomes, refresh, statusOf, tokenOf, trusted } from './trusted';

const REPLICAS = 2;
const isSoak = process.env['COUNTERSIGN_SOAK'] === '1';
const FLOOD = isSoak ? 10_000 : 200;
const STRANGERS = isSoak ? 50_000 : 1_000;
const SUBJECTS = isSoak ? 2_000 : 20;
const REFUSED = '400 token not valid';
const all = (text: string): string[] => Array.from({ length: REPLICAS }, () => text);

describe('keys of trusted issuers, with two replicas of discovery and exchange', () => {
  let stack: Stack;
  const issuers: LocalIssuer[] = [];

  const unregistered = async (): Promise<LocalIssuer> => {
    const issuer = await startLocalIssuer();
    issuers.push(issuer);
    return issuer;
  };

  /** A registered issuer whose keys every replica has. */
  async function register(name: string, spec: Record<string, unknown> = {}): Promise<LocalIssuer> {
    const issuer = await unregistered();
    await apply(stack, trusted(name, issuer.iss, spec));
    await everywhere(() => tokenOf(issuer), '200');
    return issuer;
  }

  const everywhere = (token: () => Promise<string>, expected: string): Promise<void> =>
    eventually(async () => expect(await outcomes(stack, token)).toEqual(all(expected)));

  const statuses = (name: string): Promise<IssuerStatus[]> =>
    Promise.all(stack.replicasOf('discovery').map(({ url }) => statusOf({ url, adminToken: stack.adminToken }, name)));

  /** Writes a key of the attacker's where replicas share those of the issuer; the first line of the answer. */
  const poison = (iss: string, { publicJwk }: IssuerKey): Promise<string> => {
    const source = createHash('sha256').update(JSON.stringify([iss, null, null, null, null]));
    const entry = { keys: [publicJwk], rejected: [], jwksUri: null, maxAgeSeconds: 600, fetchedAt: Date.now() };
    const key = `cs:discovery:keys:${source.digest('hex')}`;
    return redisSet(stack.redisUrl('discovery'), key, JSON.stringify(entry));
  };

  beforeAll(async () => {
    stack = await startTestStack({ replicas: { discovery: REPLICAS, exchange: REPLICAS } });
  });

  afterAll(async () => {
    await stack?.stop();
    await Promise.all(issuers.map((issuer) => issuer.stop()));
  });

  it('a registration costs the issuer two fetches at most: the check, and one for all replicas', async () => {
    const issuer = await register('registered');
    expect(issuer.requests.jwks).toBeLessThanOrEqual(2);
    expect(await statuses('registered')).toMatchObject(
      Array(REPLICAS).fill({ state: 'healthy', source: 'discovery', keys: [{ kid: issuer.keys[0]?.kid }] }),
    );
  });

  it(`a flood of ${FLOOD} unknown kids costs the issuer one fetch at most, and good tokens go through (JWK-15)`, async () => {
    const issuer = await register('flooded');
    const before = issuer.requests.jwks;
    const replicas = stack.replicasOf('exchange');
    for (let sent = 0; sent < FLOOD; sent += 20) {
      const tokens = Array.from({ length: 20 }, (_, i) => tokenOf(issuer, { kid: `random-${sent + i}` }));
      const answers = await Promise.all(tokens.map((token, i) => outcome(replicas[i % REPLICAS] as never, token)));
      expect(new Set(answers)).toEqual(new Set([REFUSED]));
    }
    expect(await outcomes(stack, () => tokenOf(issuer))).toEqual(all('200'));
    expect(issuer.requests.jwks - before).toBeLessThanOrEqual(1);
  });

  it('a refresh brings new keys to every replica and takes removed ones from it, recorded once (JWK-18)', async () => {
    const issuer = await register('rotated');
    const [removed] = issuer.keys;
    const added = await issuer.rotate({ dropOld: true });
    const { status, body } = await refresh(stack, 'rotated');
    expect({ status, body }).toMatchObject({ status: 200, body: { state: 'healthy', keys: [{ kid: added.kid }] } });
    await everywhere(() => tokenOf(issuer), '200');
    await everywhere(() => tokenOf(issuer, { key: removed as never }), REFUSED);
    for (const one of await statuses('rotated')) expect(one.keys.map(({ kid }) => kid)).toEqual([added.kid]);
    const events = await eventually(async () => {
      const answer = await admin(stack, 'GET', '/v1/events?type=dev.countersign.issuer.keys_rotated.v1&issuer=rotated');
      expect(answer.body.items).not.toHaveLength(0);
      return answer.body.items as { data: object }[];
    });
    expect(events.map(({ data }) => data)).toEqual([
      { issuer: 'rotated', iss: issuer.iss, added: [added.kid], removed: [removed?.kid] },
    ]);
    // AUD-04
    const asked = await admin(stack, 'GET', '/v1/events?type=dev.countersign.issuer.refreshed.v1&issuer=rotated');
    expect(asked.body.items[0]).toMatchObject({ subject: 'rotated', data: { iss: issuer.iss, author: 'bootstrap' } });
  });

  it('another key under the same kid replaces the old one, imported or not', async () => {
    const issuer = await register('same-kid');
    const [old] = issuer.keys as [never];
    const replaced = await generateIssuerKey('RS256', issuer.keys[0]?.kid);
    issuer.keys.splice(0, 1, replaced);
    await refresh(stack, 'same-kid');
    await everywhere(() => tokenOf(issuer), '200');
    await everywhere(() => tokenOf(issuer, { key: old }), REFUSED);
  });

  it('an issuer that fails keeps its known keys; unknown ones are 503, never a refusal (JWK-14, JWK-16, R-21)', async () => {
    const issuer = await register('failing');
    const failures: IssuerFailure[] = [
      { status: 500 },
      'not-json',
      'empty',
      'cut',
      'huge',
      { body: { keys: {} } },
      { body: { keys: [null, 1, 'x', []] } },
      { body: [] },
      { redirect: `${issuer.url}/jwks` },
    ];
    for (const failure of failures) {
      issuer.fail(failure, 'jwks');
      expect((await refresh(stack, 'failing')).body).toMatchObject({ state: 'stale', lastError: expect.any(String) });
      expect(await outcomes(stack, () => tokenOf(issuer))).toEqual(all('200'));
    }
    const before = issuer.requests.jwks;
    const unknown = await exchangeOnce(stack, await tokenOf(issuer, { kid: 'unknown' }));
    for (let i = 0; i < 100; i += 1) await exchangeOnce(stack, await tokenOf(issuer, { kid: `unknown-${i}` }));
    expect(unknown).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } });
    expect(Number(unknown.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(issuer.requests.jwks - before).toBeLessThanOrEqual(1);
    await eventually(async () => {
      const found = await admin(stack, 'GET', '/v1/events?type=dev.countersign.issuer.unreachable.v1&issuer=failing');
      expect(found.body.items[0]?.data).toMatchObject({ iss: issuer.iss, error: expect.any(String) });
    });
    const counted = stack.replicasOf('discovery').map(async ({ managementUrl }) => {
      const text = await (await fetch(`${managementUrl}/metrics`)).text();
      return Number(/^countersign_issuer_key_fetches_total\{outcome="failed"\} (\d+)/m.exec(text)?.[1] ?? 0);
    });
    expect((await Promise.all(counted)).reduce((sum, one) => sum + one)).toBeGreaterThanOrEqual(failures.length);
    issuer.fail(null);
    expect((await refresh(stack, 'failing')).body).toMatchObject({ state: 'healthy', lastError: null });
  });

  it('an issuer that is disabled is refused by every replica, and accepted again without a fetch', async () => {
    const issuer = await register('switched');
    await apply(stack, trusted('switched', issuer.iss, { disabled: true }));
    await everywhere(() => tokenOf(issuer), '400 untrusted issuer');
    expect((await refresh(stack, 'switched')).body).toMatchObject({ state: 'disabled' });
    const fetches = issuer.requests.jwks;
    issuer.fail({ status: 500 });
    await apply(stack, trusted('switched', issuer.iss));
    await everywhere(() => tokenOf(issuer), '200');
    expect(issuer.requests.jwks - fetches).toBeLessThanOrEqual(1);
  });

  it('two keys of one kid are refused, are told in the status, and spoil no other key (JWK-20)', async () => {
    const issuer = await unregistered();
    const twins = await Promise.all([generateIssuerKey('RS256', 'dup'), generateIssuerKey('RS256', 'dup')]);
    issuer.keys.push(...twins);
    await apply(stack, trusted('ambiguous', issuer.iss));
    await everywhere(() => tokenOf(issuer), '200');
    for (const key of twins) await everywhere(() => tokenOf(issuer, { key }), REFUSED);
    for (const one of await statuses('ambiguous')) {
      expect(one.rejectedKeys).toEqual(Array(2).fill({ kid: 'dup', reason: 'kid_ambiguous' }));
    }
  });

  it('a token without kid works where the issuer allows it and exactly one key fits', async () => {
    const strict = await register('with-kid');
    const lax = await register('without-kid', { allowMissingKid: true });
    expect(await outcomes(stack, () => tokenOf(strict, { kid: null }))).toEqual(all(REFUSED));
    expect(await outcomes(stack, () => tokenOf(lax, { kid: null }))).toEqual(all('200'));
    await lax.rotate();
    await refresh(stack, 'without-kid');
    await everywhere(() => tokenOf(lax, { kid: null }), REFUSED);
  });

  it('metadata widen no algorithms: the document alone says which (JWK-30)', async () => {
    const issuer = await unregistered();
    issuer.keys.push(await generateIssuerKey('ES384', 'unlisted'));
    const metadata = { issuer: issuer.iss, jwks_uri: `${issuer.url}/jwks` };
    const algorithms = ['none', 'HS256', 'RS256', 'ES384'];
    issuer.fail({ body: { ...metadata, id_token_signing_alg_values_supported: algorithms } }, 'discovery');
    await apply(stack, trusted('widening', issuer.iss, { algorithms: ['RS256'] }));
    await everywhere(() => tokenOf(issuer), '200');
    expect(await outcomes(stack, () => tokenOf(issuer, { key: issuer.keys[1] as never }))).toEqual(all(REFUSED));
  });

  it('replicas that start anew take over the keys of an issuer that is down, and no poisoned ones (R-43, JWK-24)', async () => {
    const [down, poisoned, unseen] = [await register('down'), await register('poisoned'), await unregistered()];
    // A key that no exchange has asked for yet.
    const second = await down.rotate();
    await refresh(stack, 'down');
    const evil = await generateIssuerKey('RS256', 'evil');
    expect(await poison(poisoned.iss, evil)).toBe('+OK');
    for (const issuer of [down, unseen]) issuer.fail({ status: 500 });
    await apply(stack, trusted('never-seen', unseen.iss));
    await Promise.all(stack.replicasOf('discovery').map((replica) => replica.restart()));
    await everywhere(() => tokenOf(down, { key: second }), '200');
    await everywhere(() => tokenOf(unseen), '503 try again later');
    await everywhere(() => tokenOf(poisoned, { key: evil }), REFUSED);
    await everywhere(() => tokenOf(poisoned), '200');
  });

  it(`${STRANGERS} issuers and kids that strangers make up, and ${SUBJECTS} subjects, leave no trace in the metrics (JWK-27)`, async () => {
    const issuer = await register('measured');
    const [replica] = stack.replicasOf('exchange');
    /** Ours: what Node tells of itself (kinds of garbage collection, open resources) comes and goes. */
    const series = async (): Promise<string[]> => {
      const text = await (await fetch(`${replica?.managementUrl}/metrics`)).text();
      const lines = text.split('\n').filter((line) => /^countersign_(?!nodejs_|process_)/.test(line));
      return lines.map((line) => line.replace(/ \S+$/, ''));
    };
    const [header = '', payload = '', signature = ''] = (await tokenOf(issuer)).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const stranger = (i: number): string =>
      i % 2 === 0
        ? `${header}.${encode({ ...claims, iss: `https://stranger-${i}.test` })}.${signature}`
        : `${encode({ alg: 'RS256', typ: 'JWT', kid: `k-${i}` })}.${payload}.${signature}`;
    const send = async (from: number): Promise<void> => {
      const tokens = Array.from({ length: 50 }, (_, i) => stranger(from + i));
      await Promise.all(tokens.map((token, i) => present(replica?.url ?? '', token, `198.18.${i}.${from % 250}`)));
    };
    await send(0);
    const before = await series();
    for (let sent = 50; sent < STRANGERS; sent += 50) await send(sent);
    for (let i = 0; i < SUBJECTS; i += 1) {
      const token = issuer.sign(githubClaims(issuer.iss, { sub: `repo:acme/web:environment:${i}` }));
      expect(await outcome(replica as never, token)).toBe('200');
    }
    expect(await series()).toEqual(before);
    expect(await outcome(replica as never, tokenOf(issuer))).toBe('200');
  });
});

/** Presents a token as if it came from this address, so that no limit of an address ends the attack. */
async function present(url: string, token: string, address: string): Promise<void> {
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  });
  const response = await fetch(`${url}/oauth2/token`, {
    method: 'POST',
    body,
    headers: { 'x-forwarded-for': address },
  });
  expect(response.status).toBe(400);
  await response.arrayBuffer();
}

/** One SET, spoken by hand; the first line of the answer. */
async function redisSet(redisUrl: string, key: string, value: string): Promise<string> {
  const { hostname, port, username, password } = new URL(redisUrl);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  const command = (...parts: string[]): string =>
    `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`;
  socket.write(command('AUTH', username, password) + command('SET', key, value, 'EX', '600'));
  let answer = '';
  while (answer.split('\r\n').length < 3) answer += String(await once(socket, 'data'));
  socket.destroy();
  return answer.split('\r\n')[1] ?? '';
}
