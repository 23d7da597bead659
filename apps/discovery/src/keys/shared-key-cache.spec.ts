import { fetched, issuer, startCluster, type FakeStore } from './cluster.fixture';

/** The only entry. */
function entryOf(store: FakeStore): [string, string] {
  const [entry] = store.entries;
  return [entry?.[0] ?? '', entry?.[1].value ?? ''];
}

const forgedKeys = JSON.stringify({ ...fetched('evil'), fetchedAt: Date.now() });

describe('keys in the shared cache', () => {
  it('are found by every replica, for the same issuer and source only', async () => {
    const { clock, shared } = startCluster(() => fetched('k1'));
    const keys = { ...fetched('k1'), fetchedAt: clock.now() };
    await shared.write(issuer, keys);
    expect(await shared.read(issuer)).toEqual(keys);
    const others = [{ iss: 'https://b.test' }, { jwksUri: 'https://a.test/k' }, { issInternal: 'https://i.test' }];
    for (const other of [...others, { caCertificate: 'PEM' }]) {
      expect(await shared.read({ ...issuer, ...other })).toBeNull();
    }
  });

  it.each<[string, (value: string) => string]>([
    ['no entry of ours', () => forgedKeys],
    ['other keys under our HMAC', (value) => `${value.split('.')[0]}.${forgedKeys}`],
    ['an HMAC of nothing', () => `.${forgedKeys}`],
    ['a broken text', (value) => value.slice(0, -1)],
    ['no JSON', () => 'no'],
    ['nothing', () => ''],
    ['deep JSON', () => '['.repeat(100_000)],
  ])('are as if they were not there when somebody else wrote them: %s (JWK-24)', async (_, forge) => {
    const { clock, store, shared, replica, world } = startCluster(() => fetched('k1'));
    await shared.write(issuer, { ...fetched('k1'), fetchedAt: clock.now() });
    const [key, value] = entryOf(store);
    await store.set(key, forge(value), null);
    expect(await shared.read(issuer)).toBeNull();
    const keySet = replica();
    expect((await keySet.find('evil')).status).toBe('kid_unknown');
    expect((await keySet.find('k1')).status).toBe('found');
    expect(world.fetches).toBe(1);
  });

  it('of another issuer, moved under its name, are refused (JWK-24)', async () => {
    const { clock, store, shared } = startCluster(() => fetched('k1'));
    const other = { ...issuer, iss: 'https://evil.test' };
    await shared.write(other, { ...fetched('evil'), fetchedAt: clock.now() });
    const [, value] = entryOf(store);
    await shared.write(issuer, { ...fetched('k1'), fetchedAt: clock.now() });
    for (const key of store.entries.keys()) await store.set(key, value, null);
    expect(await shared.read(issuer)).toBeNull();
    expect(await shared.read(other)).not.toBeNull();
  });

  it('of a deployment with another admin token are refused', async () => {
    const { clock, shared, cacheWith } = startCluster(() => fetched('k1'));
    await cacheWith('x'.repeat(32)).write(issuer, { ...fetched('k1'), fetchedAt: clock.now() });
    expect(await shared.read(issuer)).toBeNull();
  });

  it('pass the intake again, so that a stricter version does not inherit what a laxer one let in', async () => {
    const { clock, shared } = startCluster(() => fetched('k1'));
    const weak = { kty: 'RSA', kid: 'weak', n: 'AQAB', e: 'AQAB' };
    const stored = { ...fetched('k1'), fetchedAt: clock.now() };
    await shared.write(issuer, { ...stored, keys: [...stored.keys, weak] });
    expect((await shared.read(issuer))?.keys.map(({ kid }) => kid)).toEqual(['k1']);
  });

  it.each([
    ['older than an hour', -3_600_000],
    ['of a clock far ahead', 120_000],
  ])('are not believed when they are %s', async (_, offset) => {
    const { clock, shared, store } = startCluster(() => fetched('k1'));
    await shared.write(issuer, { ...fetched('k1'), fetchedAt: clock.now() + offset });
    for (const entry of store.entries.values()) entry.expiresAt = null;
    expect(await shared.read(issuer)).toBeNull();
  });

  it('are not needed: without the store nothing is found, and nothing fails', async () => {
    const { clock, store, shared } = startCluster(() => fetched('k1'));
    store.isDown = true;
    await shared.write(issuer, { ...fetched('k1'), fetchedAt: clock.now() });
    expect(await shared.read(issuer)).toBeNull();
  });
});
