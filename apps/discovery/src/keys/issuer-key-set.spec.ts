import { KeyFetchError, type FetchedKeys } from './fetch-keys';
import { fetched, issuer, publicKey, startCluster } from './cluster.fixture';
import type { IssuerKeySet } from './issuer-key-set';

const MINUTE = 60;

const down = (): never => {
  throw new KeyFetchError('unreachable', 'down');
};

/** Answers when told to. */
function slowIssuer() {
  const waiting: ((keys: FetchedKeys) => void)[] = [];
  const asked = async (times: number): Promise<void> => {
    while (waiting.length < times) await new Promise(setImmediate);
  };
  return {
    answer: () => new Promise<FetchedKeys>((resolve) => waiting.push(resolve)),
    /** Resolves when so many requests wait for an answer. */
    asked,
    /** Answers one of the waiting requests, the oldest unless told otherwise. */
    reply: async (keys: FetchedKeys, index = 0): Promise<void> => {
      await asked(index + 1);
      waiting.splice(index, 1).forEach((resolve) => resolve(keys));
    },
  };
}

const statusOf = async (keySet: IssuerKeySet, kid: string | null): Promise<string> => (await keySet.find(kid)).status;

describe('the keys of a trusted issuer', () => {
  it('are fetched once however many ask at the same time, on however many replicas (R-22)', async () => {
    const { world, replica } = startCluster(() => fetched('k1'));
    const replicas = [replica(), replica(), replica()];
    const found = await Promise.all(
      Array.from({ length: 60 }, (_, i) => statusOf(replicas[i % 3] as IssuerKeySet, 'k1')),
    );
    expect(new Set(found)).toEqual(new Set(['found']));
    expect(world.fetches).toBe(1);
  });

  it('survive a restart while the issuer is down (R-43)', async () => {
    const { world, replica } = startCluster(() => fetched('k1'));
    await replica().find('k1');
    world.answer = down;
    expect(await statusOf(replica(), 'k1')).toBe('found');
    expect(world.fetches).toBe(1);
  });

  it('are fetched again for a kid nobody knows, but once per cooldown and cluster whatever the flood (JWK-15)', async () => {
    const { clock, world, replica } = startCluster(() => fetched('k1'));
    const replicas = [replica(), replica(), replica()];
    await Promise.all(replicas.map((one) => one.find('k1')));
    clock.advance(MINUTE);
    for (let i = 0; i < 90; i += 1)
      expect(await statusOf(replicas[i % 3] as IssuerKeySet, `x${i}`)).toBe('kid_unknown');
    expect(world.fetches).toBe(2);
  });

  it('after a rotation in the middle of a flood are known within the cooldown, on every replica (JWK-17)', async () => {
    const { clock, world, replica } = startCluster(() => fetched('k1'));
    const [one, other] = [replica(), replica()];
    await Promise.all([one.find('k1'), other.find('k1')]);
    clock.advance(MINUTE);
    await one.find('random');
    world.answer = () => fetched('k1', 'k2');
    for (let second = 0; second < 30; second += 1) {
      clock.advance(1);
      await Promise.all([one.find(`r${second}`), other.find(`s${second}`)]);
    }
    expect([await statusOf(one, 'k2'), await statusOf(other, 'k2')]).toEqual(['found', 'found']);
    expect(world.fetches).toBe(3);
    expect(world.changes).toBe(2);
  });

  it('that were never seen before are accepted at once after a rotation that nobody announced (R-23)', async () => {
    const { clock, world, replica } = startCluster(() => fetched('k1'));
    const [one, other] = [replica(), replica()];
    await Promise.all([one.find('k1'), other.find('k1')]);
    clock.advance(MINUTE);
    world.answer = () => fetched('k2');
    expect(await Promise.all([one, other, one, other].map((keySet) => statusOf(keySet, 'k2')))).toEqual(
      Array(4).fill('found'),
    );
    expect(world.fetches).toBe(2);
  });

  it('serve for an hour while the issuer fails, and then not (JWK-25, R-21)', async () => {
    const { clock, world, replica } = startCluster(() => fetched('k1'));
    const keySet = replica();
    await keySet.find('k1');
    world.answer = down;
    for (let minute = 1; minute < 60; minute += 1) {
      clock.advance(MINUTE);
      expect(await statusOf(keySet, 'k1')).toBe('found');
    }
    expect(keySet.status()).toMatchObject({ state: 'stale', lastError: 'down' });
    clock.advance(MINUTE);
    expect(await statusOf(keySet, 'k1')).toBe('unavailable');
    expect(keySet.status().state).toBe('unreachable');
    expect(world.failures).toBe(1);
  });

  it('that are known do not wait for an issuer that hangs, once it failed (JWK-13)', async () => {
    const { clock, world, replica } = startCluster(() => fetched('k1'));
    const keySet = replica();
    await keySet.find('k1');
    world.answer = down;
    clock.advance(11 * MINUTE);
    await keySet.find('k1');
    clock.advance(MINUTE);
    world.answer = () => new Promise(() => undefined);
    expect(await statusOf(keySet, 'k1')).toBe('found');
  });

  it('leave an unknown kid open while the issuer cannot be asked, with one fetch per cooldown and cluster (JWK-16)', async () => {
    const { clock, world, replica } = startCluster(() => fetched('k1'));
    const [one, other] = [replica(), replica()];
    await Promise.all([one.find('k1'), other.find('k1')]);
    world.answer = down;
    clock.advance(MINUTE);
    for (let i = 0; i < 50; i += 1) {
      expect(await statusOf(one, `x${i}`)).toBe('unavailable');
      expect(await statusOf(other, `y${i}`)).toBe('unavailable');
    }
    expect(world).toMatchObject({ fetches: 2, failures: 1 });
    expect(other.status().lastError).toBe('down');
  });

  it('are given up for a removed key at the end of their age (JWK-18)', async () => {
    const { clock, world, replica } = startCluster(() => fetched('k1', 'k2'));
    const keySet = replica();
    await keySet.find('k1');
    world.answer = () => fetched('k2');
    clock.advance(600);
    expect(await statusOf(keySet, 'k1')).toBe('kid_unknown');
  });

  it('are due for a fetch ahead of their end, so that no caller waits for it', async () => {
    const { clock, world, replica } = startCluster(() => fetched('k1'));
    const keySet = replica();
    await keySet.refreshWhenDue();
    await keySet.refreshWhenDue();
    expect(world.fetches).toBe(1);
    clock.advance(479);
    await keySet.refreshWhenDue();
    expect(world.fetches).toBe(1);
    clock.advance(1);
    await keySet.refreshWhenDue();
    expect(world.fetches).toBe(2);
  });

  it('that nobody could ever fetch are unavailable, not unknown', async () => {
    const { replica } = startCluster(down);
    const keySet = replica();
    expect(await statusOf(keySet, 'k1')).toBe('unavailable');
    expect(keySet.status().state).toBe('unreachable');
  });

  it('under the same kid are replaced by another key', async () => {
    const { world, replica } = startCluster(() => fetched('k1'));
    const keySet = replica();
    await keySet.find('k1');
    world.answer = () => ({ ...fetched('k1'), keys: [publicKey('k1', 'another')] });
    await keySet.refresh();
    expect(await keySet.find('k1')).toMatchObject({ keys: [publicKey('k1', 'another')] });
    expect(world.changes).toBe(2);
  });

  it('in another order are the same keys', async () => {
    const { world, replica } = startCluster(() => fetched('k1', 'k2'));
    const keySet = replica();
    await keySet.refresh();
    world.answer = () => fetched('k2', 'k1');
    await keySet.refresh();
    expect(world).toMatchObject({ fetches: 2, changes: 1 });
  });

  it('of a disabled issuer are not fetched', async () => {
    const { world, replica } = startCluster(() => fetched('k1'));
    const keySet = replica({ ...issuer, disabled: true });
    await keySet.refreshWhenDue();
    expect(world.fetches).toBe(0);
    expect(keySet.status().state).toBe('disabled');
  });

  it('in the document never touch the store', async () => {
    const { store, replica } = startCluster(() => fetched('k1'));
    const keySet = replica({ ...issuer, jwks: { keys: [] } });
    await keySet.find('k1');
    await keySet.refresh();
    expect(store.entries.size).toBe(0);
  });
});

describe('a refresh', () => {
  it('fetches in spite of the cooldown, and the other replicas take it over (JWK-18)', async () => {
    const { world, replica } = startCluster(() => fetched('k1'));
    const [one, other] = [replica(), replica()];
    await Promise.all([one.find('k1'), other.find('k1')]);
    world.answer = () => fetched('k2');
    await one.refresh();
    await other.readShared();
    expect([await statusOf(other, 'k2'), await statusOf(other, 'k1')]).toEqual(['found', 'kid_unknown']);
    expect(world.fetches).toBe(2);
  });

  it('that comes while a fetch is under way fetches anew, once for all who ask', async () => {
    const slow = slowIssuer();
    const { world, replica } = startCluster(slow.answer);
    const keySet = replica();
    const first = keySet.find('k1');
    const refreshes = [keySet.refresh(), keySet.refresh()];
    await slow.reply(fetched('k1'));
    await slow.reply(fetched('k2'));
    await Promise.all([first, ...refreshes]);
    expect(await statusOf(keySet, 'k2')).toBe('found');
    expect(world.fetches).toBe(2);
  });

  it('is not undone by a fetch of another replica that began before it', async () => {
    const slow = slowIssuer();
    const { clock, replica } = startCluster(slow.answer);
    const [one, other] = [replica(), replica()];
    const early = one.find('k1');
    await slow.asked(1);
    clock.advance(1);
    const refresh = other.refresh();
    await slow.asked(2);
    await slow.reply(fetched('new'), 1);
    await refresh;
    await slow.reply(fetched('old'));
    await early;
    expect([await statusOf(one, 'new'), await statusOf(replica(), 'new')]).toEqual(['found', 'found']);
  });
});

describe('without the shared store', () => {
  it('each replica fetches for itself, once per cooldown', async () => {
    const { clock, store, world, replica } = startCluster(() => fetched('k1'));
    store.isDown = true;
    const [one, other] = [replica(), replica()];
    await Promise.all([one.find('k1'), other.find('k1')]);
    clock.advance(MINUTE);
    for (let i = 0; i < 20; i += 1) await Promise.all([one.find(`x${i}`), other.find(`x${i}`)]);
    expect(world.fetches).toBe(4);
  });
});

describe('a replica that dies in its turn', () => {
  it('is replaced when its turn ends', async () => {
    const { clock, world, replica } = startCluster(() => new Promise(() => undefined));
    const [dead, alive] = [replica(), replica()];
    void dead.find('k1');
    while (world.fetches < 1) await new Promise(setImmediate);
    world.answer = () => fetched('k1');
    const waiting = alive.find('k1');
    clock.advance(8);
    expect((await waiting).status).toBe('found');
    expect(world.fetches).toBe(2);
  });
});

describe('a key set that was retired', () => {
  it('tells nobody what came of a fetch that was under way', async () => {
    const slow = slowIssuer();
    const { world, store, replica } = startCluster(slow.answer);
    const keySet = replica();
    const finding = keySet.find('k1');
    keySet.retire();
    await slow.reply(fetched('k1'));
    await finding;
    expect(world.changes).toBe(0);
    expect([...store.entries.keys()].filter((key) => key.startsWith('cs:discovery:keys:'))).toEqual([]);
  });
});
