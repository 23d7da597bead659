import { Logger, UnavailableError } from '@countersign/platform';
import { eventually, generous, startRedis, startTcpProxy, type TcpProxy, type TestServer } from '@countersign/testing';
import { Redis } from 'ioredis';
import { RedisFailureLimiter } from './failure-limiters';
import { RedisExpiringStore } from './redis-expiring-store';
import { connectRedis, type RedisLink } from './redis-link';

const logger = new Logger('test', 'silent');
const inAMinute = (): number => Math.floor(Date.now() / 1000) + 60;
/** Beyond what a call may take, within what a connection may be silent; and beyond both. */
const LATE_MS = 1_000;
const SILENT_MS = 4_000;

let server: TestServer;
let proxy: TcpProxy;
let link: RedisLink;
let store: RedisExpiringStore;
let admin: Redis;

beforeEach(async () => {
  server = await startRedis();
  proxy = await startTcpProxy(server.port);
  link = connectRedis({ url: `redis://127.0.0.1:${proxy.port}`, logger });
  store = new RedisExpiringStore(link);
  admin = new Redis(server.url);
  await link.whenReady();
  await store.reserve('first', 'v', inAMinute(), 's');
});

afterEach(async () => {
  await link.close();
  await proxy.stop();
  await admin.quit();
  await server.stop();
});

/** How often Redis was asked for something since the count began. */
async function asked(...names: string[]): Promise<number> {
  const stats = await admin.info('commandstats');
  const calls = (name: string): number => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
  return names.reduce((sum, name) => sum + calls(name), 0);
}

/** Requests that come one after the other, some at once, each of which asks for two things. */
async function requests(rounds: number, atOnce: number): Promise<number> {
  const started = performance.now();
  for (let round = 0; round < rounds; round++)
    await Promise.all(
      Array.from({ length: atOnce }, async (_, number) => {
        const key = `${round}-${number}`;
        await expect(store.get(key)).rejects.toThrow(UnavailableError);
        await expect(store.reserve(key, 'v', inAMinute(), 's')).rejects.toThrow(UnavailableError);
      }),
    );
  return performance.now() - started;
}

describe('a Redis that is late (R-06)', () => {
  test.each([
    ['its answers', { requestsMs: 0, answersMs: LATE_MS }],
    ['what it is asked', { requestsMs: LATE_MS, answersMs: 0 }],
  ])('is asked for no more than was on its way, over one connection: %s', async (_, late) => {
    await admin.config('RESETSTAT');
    proxy.late = late;
    const took = await requests(100, 20);
    expect(await asked('get', 'evalsha')).toBeLessThan(100);
    expect(proxy.open).toBeLessThanOrEqual(1);
    // All but the first of two thousand are answered at once.
    expect(took).toBeLessThan(generous(2_000));
    proxy.late = { requestsMs: 0, answersMs: 0 };
    await eventually(async () => expect(await store.get('first')).toBe('v'));
    await expect(store.reserve('after', 'v', inAMinute(), 's')).resolves.toMatchObject({ reserved: true });
  });

  test('is connected to anew when nothing comes at all, one connection at a time, and asked again once it answers', async () => {
    await admin.config('RESETSTAT');
    proxy.late = { requestsMs: SILENT_MS, answersMs: 0 };
    await requests(1, 20);
    await eventually(() => expect(proxy.accepted).toBeGreaterThan(1));
    expect(proxy.open).toBeLessThanOrEqual(1);
    await requests(100, 20);
    expect(await asked('get', 'evalsha')).toBeLessThan(100);
    proxy.late = { requestsMs: 0, answersMs: 0 };
    await eventually(async () => expect(await store.get('first')).toBe('v'));
    expect(proxy.open).toBe(1);
  });

  test('is unavailable within a second, whatever it is asked, also in a transaction', async () => {
    proxy.late = { requestsMs: 0, answersMs: LATE_MS };
    const started = performance.now();
    const questions = [
      () => store.increment('n', inAMinute()),
      () => store.inspect('s'),
      () => store.set('k', 'v', inAMinute()),
      () => store.delete('k'),
      () => store.deleteIfEquals('first', 'v'),
      () => store.ping(),
    ];
    for (const question of questions) await expect(question()).rejects.toThrow(UnavailableError);
    expect(() => store.assertPrompt()).toThrow(UnavailableError);
    expect(performance.now() - started).toBeLessThan(generous(2_000));
    // What gives a key back gets in line all the same.
    await eventually(async () => expect(await admin.exists('first')).toBe(0));
  });

  test('counts failures in memory', async () => {
    const limiter = new RedisFailureLimiter(link, { points: 3, seconds: 30 });
    proxy.late = { requestsMs: 0, answersMs: LATE_MS };
    for (let failure = 0; failure < 3; failure++) await limiter.count('10.0.0.1');
    expect(await limiter.blockedFor('10.0.0.1')).toBeGreaterThan(0);
    proxy.late = { requestsMs: 0, answersMs: 0 };
    await eventually(() => store.ping());
  });

  test('that is late and in time is asked on: a delay alone refuses nobody', async () => {
    proxy.late = { requestsMs: 40, answersMs: 40 };
    const reserve = (_: unknown, number: number) => store.reserve(`${number}`, 'v', inAMinute(), 's');
    await eventually(async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, reserve));
      expect(answers.filter(({ reserved }) => reserved).length).toBe(50);
    });
  });
});
