import { getVerificationKeys, verificationKeysChanged } from '@countersign/contracts';
import { eventually, startPostgres, type TestServer } from '@countersign/testing';
import { AnswerVerificationKeys } from './answer-verification-keys';
import { KEY_TIMES } from './key-times';
import { newEncryptionKey, Replicas, type Replica } from './replicas.fixture';

const LEAD = KEY_TIMES.jwksMaxAge + KEY_TIMES.followMargin;
const STAYS = KEY_TIMES.unconfirmed + KEY_TIMES.maxTokenLifetime + KEY_TIMES.leeway;

let server: TestServer;
let replicas: Replicas;

beforeAll(async () => {
  server = await startPostgres();
});
beforeEach(async () => {
  replicas = await Replicas.on(server);
});
afterEach(() => replicas.stop());
afterAll(() => server?.stop());

const states = async ({ list }: Replica): Promise<string[]> =>
  (await list.page({ limit: 50 })).items.map(({ state, alg }) => `${state} ${alg}`);

/** Resolves when an announcement has made all of them publish the same keys, whichever. */
const agree = (...some: Replica[]): Promise<void> =>
  eventually(() => {
    for (const one of some) expect(one.kids()).toEqual(some[0]?.kids());
  });

test('three replicas that start at once make one active and one next key, and all sign with the same', async () => {
  const some = await Promise.all([replicas.build(), replicas.build(), replicas.build()]);
  await Promise.all(some.map(({ keys }) => keys.refresh()));
  await agree(...some);
  expect(await states(some[0])).toEqual(['next ES256', 'active ES256']);
  expect(new Set(await Promise.all(some.map((one) => one.signsWith()))).size).toBe(1);
  expect((await replicas.events()).map(({ type }) => type)).toEqual(
    Array(2).fill('dev.countersign.signing_key.created.v1'),
  );
});

// R-24, I5
test('a key that is asked for waits its time, is known to every replica meanwhile, and then signs', async () => {
  const [one, two] = [await replicas.start(), await replicas.start()];
  const [first, second] = one.kids();
  const answer = await one.rotate('rotate');
  expect(answer).toMatchObject({ kid: second, state: 'next' });
  await replicas.warp(LEAD - 30);
  await two.keys.refresh();
  expect(await two.signsWith()).toBe(first);
  await replicas.warp(30);
  await two.keys.refresh();
  expect(await two.signsWith()).toBe(second);
  await eventually(async () => expect(await one.signsWith()).toBe(second));
  await agree(one, two);
  expect(one.kids()).toEqual([second, expect.any(String), first]);
  expect(Date.parse(answer.takesOverAt)).toBeGreaterThan(Date.now());
});

test('a key is replaced at its age without anybody asking', async () => {
  const one = await replicas.start();
  const [first, second] = one.kids();
  await replicas.warp(KEY_TIMES.rotateAfter - 30);
  await one.keys.refresh();
  expect(await one.signsWith()).toBe(first);
  await replicas.warp(30);
  await one.keys.refresh();
  expect(await one.signsWith()).toBe(second);
  const rotated = (await replicas.events()).find(({ type }) => type === 'dev.countersign.signing_key.rotated.v1');
  expect(rotated).toMatchObject({
    subject: second,
    data: { kid: second, previousKid: first, emergency: false, author: 'system' },
  });
});

test('a retired key is published until its last token has expired, and cannot sign any more from the start', async () => {
  const one = await replicas.start();
  const [first = ''] = one.kids();
  await replicas.warp(LEAD);
  await one.rotate('rotate');
  const sealed = `SELECT kid FROM exchange.signing_key WHERE sealed_private_jwk IS NOT NULL AND kid = '${first}'`;
  expect(await replicas.rows(sealed)).toEqual([]);
  await replicas.warp(STAYS - 30);
  await one.keys.refresh();
  expect(one.kids()).toContain(first);
  await replicas.warp(30);
  await one.keys.refresh();
  expect(one.kids()).not.toContain(first);
  expect((await one.list.page({ limit: 50 })).items.map(({ kid }) => kid)).toContain(first);
});

test('in an emergency a new key signs at once, and no earlier one is published anywhere', async () => {
  const [one, two] = [await replicas.start(), await replicas.start()];
  await replicas.warp(LEAD);
  await one.rotate('rotate');
  const before = one.kids();
  expect(before).toHaveLength(3);
  const { kid, state } = await two.rotate('emergency');
  expect(state).toBe('active');
  await eventually(async () => expect(await one.signsWith()).toBe(kid));
  await agree(one, two);
  expect(one.kids().filter((known) => before.includes(known))).toEqual([]);
  const [last] = (await replicas.events()).slice(-1);
  expect(last).toMatchObject({
    type: 'dev.countersign.signing_key.rotated.v1',
    data: { kid, previousKid: before[0], emergency: true, author: 'bootstrap' },
  });
});

// An admin guard keeps what it is told for 30 s: a leaked key that is told once more would open doors for as long.
test('whoever asks because of an announcement is told what has been true since', async () => {
  const [one, two] = [await replicas.start(), await replicas.start()];
  await agree(one, two);
  new AnswerVerificationKeys(replicas.config({}), replicas.bus, two.keys);
  const told: string[] = [];
  replicas.bus.subscribe(verificationKeysChanged, async () => {
    const { keys } = await replicas.bus.request(getVerificationKeys, {});
    told.push(String(keys[0]?.kid));
  });
  const { kid } = await one.rotate('emergency');
  await eventually(() => expect(told).toHaveLength(1));
  expect(told).toEqual([kid]);
});

test('another algorithm takes over by a rotation that its start begins', async () => {
  const old = await replicas.start();
  const [first = ''] = old.kids();
  const renewed = await replicas.start({ signingAlg: 'EdDSA' });
  await agree(old, renewed);
  expect(await states(renewed)).toEqual(['next EdDSA', 'retired ES256', 'active ES256']);
  expect(await renewed.signsWith()).toBe(first);
  await replicas.warp(LEAD);
  await renewed.keys.refresh();
  expect((await states(renewed)).slice(0, 2)).toEqual(['next EdDSA', 'active EdDSA']);
  await agree(old, renewed);
  expect(await old.signsWith()).toBe(await renewed.signsWith());
});

test('a restart signs with the same key', async () => {
  const before = await (await replicas.start()).signsWith();
  expect(await (await replicas.start()).signsWith()).toBe(before);
});

describe('the encryption key', () => {
  test('a wrong one makes no new key: not ready, no signature, one clear line, no rotation on demand', async () => {
    const right = await replicas.start();
    const stored = await states(right);
    const wrong = await replicas.start({ encryptionKey: newEncryptionKey() });
    await replicas.warp(KEY_TIMES.rotateAfter);
    await wrong.keys.refresh();
    expect(await wrong.isReady()).toBe(false);
    await expect(wrong.signsWith()).rejects.toThrow('unavailable');
    for (const occasion of ['rotate', 'emergency'] as const) {
      await expect(wrong.rotate(occasion)).rejects.toMatchObject({ code: 'unavailable' });
    }
    expect(await states(right)).toEqual(stored);
    const lines = wrong.log.filter((line) => line.includes('COUNTERSIGN_ENCRYPTION_KEY'));
    expect(lines).toHaveLength(2);
    expect(wrong.kids()).toEqual(right.kids());
  });

  test('is changed: what the previous one sealed is opened, sealed anew, and needs it no more', async () => {
    const kid = await (await replicas.start()).signsWith();
    const encryptionKey = newEncryptionKey();
    const previousEncryptionKey = replicas.encryptionKey;
    const both = await replicas.start({ encryptionKey, previousEncryptionKey });
    expect(await both.signsWith()).toBe(kid);
    expect(await (await replicas.start({ encryptionKey })).signsWith()).toBe(kid);
    expect(await (await replicas.start()).isReady()).toBe(false);
  });

  test('does not open the private part of one key as that of another', async () => {
    const one = await replicas.start();
    const [active, next] = one.kids();
    await replicas.rows(
      `UPDATE exchange.signing_key SET sealed_private_jwk =
         (SELECT sealed_private_jwk FROM exchange.signing_key WHERE kid = '${next}') WHERE kid = '${active}'`,
    );
    expect(await (await replicas.start()).isReady()).toBe(false);
  });
});

test('a replica that cannot confirm its keys signs no longer than retired keys allow for, and goes on publishing', async () => {
  const one = await replicas.start();
  const kids = one.kids();
  await one.database.close();
  one.clock.advance(KEY_TIMES.unconfirmed - 1);
  await one.keys.refresh();
  expect(await one.signsWith()).toBe(kids[0]);
  one.clock.advance(1);
  await expect(one.signsWith()).rejects.toThrow('unavailable');
  expect(await one.isReady()).toBe(false);
  expect(one.kids()).toEqual(kids);
});

test('no private part stands in the list, in an event or in a log', async () => {
  const one = await replicas.start();
  await one.rotate('emergency');
  const shown = JSON.stringify([
    (await one.list.page({ limit: 50 })).items,
    await replicas.events(),
    one.log,
    one.keys.verificationKeys(),
  ]);
  expect(shown).not.toMatch(/"d":|sealed|privateJwk/);
});

test('the list is paged, the newest first', async () => {
  const one = await replicas.start();
  const first = await one.list.page({ limit: 1 });
  expect(first.items.map(({ state }) => state)).toEqual(['next']);
  const cursor = Buffer.from(first.nextCursor ?? '', 'base64url')
    .toString()
    .slice(1);
  const second = await one.list.page({ limit: 1, cursor });
  expect(second).toMatchObject({
    items: [{ state: 'active', retiredAt: null, publishedUntil: null }],
    nextCursor: null,
  });
});
