import { Logger } from '@countersign/platform';
import {
  createTestDatabase,
  expiringStoreConformance,
  runSql,
  sqlQuery,
  startPostgres,
  startRedis,
} from '@countersign/testing';
import { RedisExpiringStore } from './redis-expiring-store';
import { connectRedis } from './redis-link';
import { SqlExpiringStore } from './sql-expiring-store';

const logger = new Logger('test', 'silent');

expiringStoreConformance('Redis', async () => {
  const server = await startRedis();
  return {
    open: async () => new RedisExpiringStore(connectRedis({ url: server.url, logger })),
    tearDown: () => server.stop(),
  };
});

expiringStoreConformance('The SQL twin', async () => {
  const server = await startPostgres();
  const { url } = await createTestDatabase(server);
  const { query, end } = sqlQuery(url);
  return {
    open: async () => new SqlExpiringStore({ query }),
    tearDown: async () => {
      await end();
      await server.stop();
    },
  };
});

describe('The SQL twin alone', () => {
  test.each([
    ['fsync=on', 'synchronous_commit=on', true],
    ['fsync=on', 'synchronous_commit=off', false],
    ['fsync=off', 'synchronous_commit=on', false],
  ])('after kill -9 it is another life that holds what was reserved; with %s %s it remembers: %p', async (...row) => {
    const [fsync, commit, remembers] = row;
    const server = await startPostgres({ settings: Object.fromEntries([fsync, commit].map((one) => one.split('='))) });
    const before = sqlQuery(server.url);
    const store = new SqlExpiringStore({ query: before.query });
    const { life } = await store.reserve('k', 'v', Math.floor(Date.now() / 1000) + 60, 's');
    await before.end();
    await server.kill();
    await server.restart();
    const after = sqlQuery(server.url);
    const restarted = new SqlExpiringStore({ query: after.query });
    const state = await restarted.inspect('s');
    expect(state.remembers).toBe(remembers);
    expect(state.life).not.toBe(life);
    if (remembers) expect(await restarted.get('k')).toBe('v');
    await after.end();
    await server.stop();
  });

  test('32 reservations at once are one statement, also of one key: the first has it, the others learn who', async () => {
    const server = await startPostgres();
    const { query, end } = sqlQuery(server.url);
    let statements = 0;
    const store = new SqlExpiringStore({
      query: (sql, parameters) => ((statements += 1), query(sql, parameters)),
    });
    const future = Math.floor(Date.now() / 1000) + 60;
    const reserveAll = (keys: string[]) =>
      Promise.all(keys.map((key, index) => store.reserve(key, `${index}`, future, 's')));
    try {
      await store.prepare();
      statements = 0;
      const distinct = await reserveAll(Array.from({ length: 32 }, (_, index) => `k${index}`));
      expect(distinct.filter(({ reserved }) => reserved)).toHaveLength(32);
      expect(statements).toBe(1);
      const same = await reserveAll(Array<string>(32).fill('same'));
      expect(same.map(({ reserved }) => reserved)).toEqual(same.map((_, index) => index === 0));
      expect(new Set(same.map(({ heldBy }) => heldBy))).toEqual(new Set(['0']));
      expect(statements).toBe(2);
    } finally {
      await end();
      await server.stop();
    }
  });

  test('sweeps what has expired, and nothing else', async () => {
    const server = await startPostgres();
    const { query, end } = sqlQuery(server.url);
    const store = new SqlExpiringStore({ query, sweepEvery: 3 });
    try {
      const future = Math.floor(Date.now() / 1000) + 60;
      await store.set('expired', 'v', future);
      await store.set('kept', 'v', future);
      await runSql(server.url, "UPDATE embedded.expiring_key SET expires_at = 1 WHERE key = 'expired'");
      await store.set('for-ever', 'v', null);
      await store.close();
      const rows = await query<{ key: string }>('SELECT key FROM embedded.expiring_key ORDER BY key', []);
      expect(rows.map(({ key }) => key)).toEqual(['for-ever', 'kept']);
    } finally {
      await end();
      await server.stop();
    }
  });
});
