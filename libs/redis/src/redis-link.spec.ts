import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { ConfigError, Logger, UnavailableError } from '@countersign/platform';
import { eventually, freePort, generous, startRedis, type TestServer } from '@countersign/testing';
import { Redis } from 'ioredis';
import type { StoreState } from './expiring-store';
import { MemoryFailureLimiter, RedisFailureLimiter } from './failure-limiters';
import { RedisExpiringStore } from './redis-expiring-store';
import { assertNoEviction, connectRedis, type RedisLink } from './redis-link';

const logger = new Logger('test', 'silent');
const inAMinute = (): number => Math.floor(Date.now() / 1000) + 60;

let server: TestServer;
let link: RedisLink;
let store: RedisExpiringStore;

const start = async (config?: string): Promise<void> => {
  server = await startRedis(config === undefined ? {} : { config });
  link = connectRedis({ url: server.url, logger });
  store = new RedisExpiringStore(link);
  await link.whenReady();
};

afterEach(async () => {
  await link.close();
  await server.stop();
});

/** All operations fail as unavailable, and each within a second. */
async function expectUnavailable(): Promise<void> {
  const operations = [
    () => store.get('k'),
    () => store.set('k', 'v', null),
    () => store.reserve('k', 'v', inAMinute(), 's'),
    () => store.inspect('s'),
    () => store.deleteIfEquals('k', 'v'),
    () => store.ping(),
  ];
  await Promise.all(
    operations.map(async (operation) => {
      const started = performance.now();
      const error = await operation().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(UnavailableError);
      expect((error as UnavailableError).dependency).toBe('redis');
      expect(performance.now() - started).toBeLessThan(generous(1_000));
    }),
  );
}

describe('a store whose Redis fails', () => {
  test('is unavailable at once when it was killed, and works again two seconds after its return', async () => {
    await start();
    await server.kill();
    await expectUnavailable();
    await server.restart();
    await eventually(() => store.set('k', 'v', null));
  });

  test('never applies later what it reported as failed while Redis was away', async () => {
    await start();
    await server.kill();
    await eventually(() => expect(link.client.status).not.toBe('ready'));
    await expect(store.set('ghost', 'v', null)).rejects.toThrow(UnavailableError);
    await server.restart();
    await eventually(() => store.ping());
    expect(await store.get('ghost')).toBeNull();
  });

  test('is unavailable within a second while it is frozen, and works again after', async () => {
    await start();
    server.pause();
    await expectUnavailable();
    server.resume();
    await eventually(() => store.ping());
  });

  test('waits for a server that starts later', async () => {
    const port = await freePort();
    link = connectRedis({ url: `redis://127.0.0.1:${port}`, logger });
    store = new RedisExpiringStore(link);
    await expectUnavailable();
    server = await startRedis({ port });
    await eventually(() => store.ping());
  });

  test('is unavailable when Redis is full, when it is a replica, and when the key is of another type', async () => {
    await start();
    const admin = new Redis(server.url);
    await admin.config('SET', 'maxmemory', '1');
    await expect(store.reserve('full', 'v', inAMinute(), 's')).rejects.toThrow(UnavailableError);
    await admin.config('SET', 'maxmemory', '0');
    await admin.hset('hash', 'a', 'b');
    const besides = store.reserve('free', 'v', inAMinute(), 's');
    await expect(store.reserve('hash', 'v', inAMinute(), 's')).rejects.toThrow(UnavailableError);
    await expect(besides).resolves.toMatchObject({ reserved: true });
    await expect(store.reserve('k', 'v', inAMinute(), 'hash')).rejects.toThrow(UnavailableError);
    await expect(store.deleteIfEquals('hash', 'v')).rejects.toThrow(UnavailableError);
    await admin.replicaof('127.0.0.1', 1);
    await expect(store.reserve('replica', 'v', inAMinute(), 's')).rejects.toThrow(UnavailableError);
    await admin.replicaof('NO', 'ONE');
    await eventually(() => store.set('k', 'v', inAMinute()));
    await admin.quit();
  });

  test('keeps values out of its errors', async () => {
    await start();
    await server.kill();
    const error = (await store.set('k', 'the-value', null).catch((reason: unknown) => reason)) as Error;
    expect(
      JSON.stringify([error, error.cause, String(error.stack), String((error.cause as Error).stack)]),
    ).not.toContain('the-value');
  });
});

describe('whether a run of the server began with all that was acknowledged (RPL-10, RPL-11, R-04)', () => {
  const restarted = async (config: string): Promise<[before: StoreState, after: StoreState]> => {
    await start(config);
    await store.set('s', 'epoch', null);
    const before = await store.inspect('s');
    await server.kill();
    await server.restart();
    return [before, await eventually(() => store.inspect('s'), 2_000)];
  };

  test('after kill -9 with an append-only file synced at each write: another life, nothing forgotten', async () => {
    const [before, after] = await restarted('appendonly yes\nappendfsync always');
    expect(after).toMatchObject({ sentinel: 'epoch', remembers: true });
    expect(after.life).not.toBe(before.life);
  });

  test.each<[string, string, string | null, number]>([
    ['it may write, as in deploy/redis: nothing forgotten', 'resetpass resetchannels ~cs:* -@all +@write', 'epoch', 4],
    // Redis then leaves out transactions when it reads its file; reservations that come together are one.
    ['it may not: what is forgotten takes the sentinel along', '', null, 0],
  ])('the same where the default user is off and %s', async (_, rights, sentinel, kept) => {
    const users = `user default off ${rights}\nuser app on nopass ~* &* +@all`;
    server = await startRedis({ config: `appendonly yes\nappendfsync always\n${users}` });
    link = connectRedis({ url: server.url.replace('//', '//app:any@'), logger });
    store = new RedisExpiringStore(link);
    await link.whenReady();
    await store.set('cs:s', 'epoch', null);
    const keys = ['cs:1', 'cs:2', 'cs:3', 'cs:4'];
    await Promise.all(keys.map((key) => store.reserve(key, 'v', inAMinute(), 'cs:s')));
    await server.kill();
    await server.restart();
    const after = await eventually(() => store.inspect('cs:s'), 2_000);
    const held = await Promise.all(keys.map((key) => store.get(key)));
    expect([after.sentinel, held.filter((value) => value === 'v').length]).toEqual([sentinel, kept]);
  });

  test.each(['', 'save 1 1'])('not without one (%j)', async (config) => {
    const [before, after] = await restarted(config);
    expect(after.remembers).toBe(false);
    expect(after.life).not.toBe(before.life);
  });

  test('not on a replica that took over', async () => {
    await start('appendonly yes');
    const primary = await startRedis();
    const admin = new Redis(server.url);
    await admin.replicaof('127.0.0.1', primary.port);
    await eventually(async () => expect(await admin.info('replication')).toContain('master_link_status:up'));
    expect((await store.inspect('s')).remembers).toBe(false);
    await admin.replicaof('NO', 'ONE');
    expect((await store.inspect('s')).remembers).toBe(false);
    await admin.quit();
    await primary.stop();
  });
});

test('reservations that come at once share a command, and honest traffic asks for its failures once, however much there is', async () => {
  await start();
  const limiter = new RedisFailureLimiter(link, { points: 3, seconds: 30 });
  const one = async (number: number): Promise<void> => {
    await limiter.blockedFor('10.0.0.1');
    await store.reserve(`k${number}`, 'v', inAMinute(), 's');
  };
  await one(0);
  await link.client.config('RESETSTAT');
  await Promise.all(Array.from({ length: 100 }, (_, number) => one(number + 1)));
  const stats = await link.client.info('commandstats');
  const calls = (name: string): number => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
  expect(calls('evalsha')).toBeLessThanOrEqual(3);
  expect(calls('info') + calls('script\\|load') + calls('multi')).toBeLessThan(10);
});

test('a server that forgot its scripts, or was restarted, takes reservations on, each in the life that it says', async () => {
  await start();
  const first = await store.reserve('k1', 'v', inAMinute(), 's');
  await link.client.script('FLUSH');
  expect((await store.reserve('k2', 'v', inAMinute(), 's')).life).toBe(first.life);
  await server.kill();
  await server.restart();
  await link.whenReady();
  const { life } = await eventually(() => store.reserve('k3', 'v', inAMinute(), 's'));
  expect(life).not.toBe(first.life);
  expect(life).toBe((await store.inspect('s')).life);
});

test.each([
  ['6.2.14', true],
  ['7.0.15', false],
])('BUS-07: Redis %s is called old when we connect: %p', async (version, isOld) => {
  await start();
  const answer = `redis_version:${version}\r\n`;
  // Answers INFO to whatever it is asked.
  const other = createServer((socket) => {
    socket.on('data', (asked) => {
      const count = asked.toString().match(/^\*/gm)?.length ?? 0;
      socket.write(`$${answer.length}\r\n${answer}\r\n`.repeat(count));
    });
  }).listen(0, '127.0.0.1');
  await once(other, 'listening');
  const lines: string[] = [];
  const { port } = other.address() as AddressInfo;
  const stub = connectRedis({
    url: `redis://127.0.0.1:${port}`,
    logger: new Logger('test', 'warn', (line) => void lines.push(line)),
  });
  await stub.whenReady();
  // Later answers come later.
  for (let asked = 0; asked < 2; asked += 1) await stub.client.info();
  expect(lines.some((line) => line.includes('older than 7.0.0') && line.includes(version))).toBe(isOld);
  stub.client.disconnect();
  other.close();
});

describe('the check for eviction', () => {
  test('passes with noeviction, CONFIG forbidden', async () => {
    await start('rename-command CONFIG ""');
    await expect(assertNoEviction(link)).resolves.toBeUndefined();
  });

  test.each(['allkeys-lru', 'volatile-ttl'])('refuses %s', async (policy) => {
    await start(`maxmemory-policy ${policy}`);
    await expect(assertNoEviction(link)).rejects.toThrow(ConfigError);
  });
});

describe('the failure limiter', () => {
  const budget = { points: 3, seconds: 30 };

  test('blocks a key that used its budget up, on every replica, and no other key', async () => {
    await start();
    const [one, other] = [new RedisFailureLimiter(link, budget), new RedisFailureLimiter(link, budget)];
    for (let failure = 0; failure < 3; failure++) {
      expect(await other.blockedFor('10.0.0.1')).toBe(0);
      await one.count('10.0.0.1');
    }
    expect(await one.blockedFor('10.0.0.1')).toBeGreaterThan(0);
    await eventually(async () => expect(await other.blockedFor('10.0.0.1')).toBeGreaterThan(0));
    expect(await other.blockedFor('10.0.0.1')).toBeLessThanOrEqual(30);
    expect(await other.blockedFor('10.0.0.2')).toBe(0);
  });

  test('goes on in memory while Redis is away, and never throws', async () => {
    await start();
    const limiter = new RedisFailureLimiter(link, budget);
    await server.kill();
    for (let failure = 0; failure < 3; failure++) await limiter.count('10.0.0.1');
    expect(await limiter.blockedFor('10.0.0.1')).toBeGreaterThan(0);
    await server.restart();
    await link.whenReady();
    await eventually(async () => expect(await limiter.blockedFor('10.0.0.1')).toBe(0));
  });

  test('counts the same in memory', async () => {
    await start();
    const limiter = new MemoryFailureLimiter(budget);
    for (let failure = 0; failure < 3; failure++) {
      expect(await limiter.blockedFor('a')).toBe(0);
      await limiter.count('a');
    }
    expect(await limiter.blockedFor('a')).toBeGreaterThan(0);
    expect(await limiter.blockedFor('b')).toBe(0);
  });
});
