import { Logger, Metrics, UnavailableError } from '@countersign/platform';
import { RedisExpiringStore, connectRedis, type RedisLink } from '@countersign/redis';
import {
  createTestDatabase,
  eventually,
  runSql,
  startPostgres,
  startRedis,
  startTcpProxy,
  type TcpProxy,
  type TestServer,
} from '@countersign/testing';
import type { VerifiedSubject } from '@countersign/tokens';
import { Redis } from 'ioredis';
import { ExchangeDatabase } from '../database';
import { Refusal } from '../token/refusal';
import { ReplayEpochs } from './replay-epochs';
import { ReplayGuard } from './replay-guard';

const logger = new Logger('test', 'silent');
const ALWAYS = 'appendonly yes\nappendfsync always';
const seconds = (): number => Math.floor(Date.now() / 1000);

let postgres: TestServer;
let redis: TestServer;
let database: { url: string; drop(): Promise<void> };
let closing: (() => Promise<void>)[] = [];
let made = 0;

beforeAll(async () => void (postgres = await startPostgres()));
afterAll(() => postgres.stop());

afterEach(async () => {
  jest.restoreAllMocks();
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(config = ''): Promise<void> {
  redis = await startRedis({ config });
  database = await createTestDatabase(postgres);
  closing = [() => redis.stop(), () => database.drop()];
}

interface Replica {
  guard: ReplayGuard;
  metrics: Metrics;
  store: RedisExpiringStore;
  link: RedisLink;
  database: ExchangeDatabase;
}

/** An address of Redis of which a test decides how fast it is, and where it leads. */
async function addressOf(server: TestServer): Promise<TcpProxy & { url: string }> {
  const proxy = await startTcpProxy(server.port);
  closing.push(() => proxy.stop());
  return Object.assign(proxy, { url: `redis://127.0.0.1:${proxy.port}` });
}

/** What one process of the exchange has: its own connections, its own memory of the epoch. */
async function replica(url = redis.url): Promise<Replica> {
  const own = new ExchangeDatabase({ url: database.url, migrationUrl: undefined, logger });
  const link = connectRedis({ url, logger });
  const store = new RedisExpiringStore(link);
  closing.push(
    () => own.close(),
    () => store.close(),
  );
  await Promise.all([own.whenReady(), link.whenReady()]);
  const metrics = new Metrics();
  return {
    guard: new ReplayGuard(store, new ReplayEpochs(store, own, logger, metrics), metrics),
    metrics,
    store,
    link,
    database: own,
  };
}

const subject = (changes: Partial<VerifiedSubject> = {}): VerifiedSubject => {
  made += 1;
  const iat = changes.iat ?? seconds();
  return {
    issuer: 'a',
    iss: 'https://a.test',
    sub: 's',
    jti: `${made}`,
    claims: {},
    iat,
    exp: iat + 300,
    replayKey: `key-${made}`,
    replayExpiresAt: seconds() + 600,
    ...changes,
  };
};

let attempts = 0;
/** `used`, the reason of the refusal, or `unavailable`. */
async function use({ guard }: Replica, token: VerifiedSubject): Promise<string> {
  try {
    await guard.reserve(token, `trace-${++attempts}`);
    return 'used';
  } catch (error) {
    if (error instanceof Refusal) return error.record.reason;
    if (error instanceof UnavailableError) return 'unavailable';
    throw error;
  }
}

async function command(...args: [string, ...string[]]): Promise<void> {
  const client = new Redis(redis.url);
  await client.call(...args);
  await client.quit();
}

const valueOf = async ({ metrics }: Replica, name: string): Promise<number | undefined> =>
  (await metrics.registry.getSingleMetric(name)?.get())?.values[0]?.value;

const epochs = async (): Promise<number> => {
  const { database: own } = await replica();
  return (await own.query('SELECT 1 FROM exchange.replay_epoch')).length;
};

/** What clients do: ask their issuer for a new token until one is let through. */
const freshTokenWorks = (one: Replica): Promise<void> =>
  eventually(async () => expect(await use(one, subject())).toBe('used'));

describe('while nothing is lost', () => {
  test('a new deployment refuses nothing; a second use is refused by every replica and names the first (RPL-01)', async () => {
    await start();
    const [a, b] = [await replica(), await replica()];
    const old = subject({ iat: seconds() - 80_000 });
    await a.guard.reserve(old, 'trace-of-the-first');
    for (const one of [a, b]) {
      const refusal = (await one.guard.reserve(old, 'another').catch((error: unknown) => error)) as Refusal;
      expect(refusal.record).toMatchObject({ reason: 'replayed', detail: 'first used in trace trace-of-the-first' });
    }
    expect(await use(b, subject({ iat: seconds() - 80_000 }))).toBe('used');
    expect(await epochs()).toBe(1);
  });

  test('attempts that share a trace, or tokens that share an attempt, share no use', async () => {
    await start();
    const [a, b] = [await replica(), await replica()];
    const [one, other] = [subject(), subject()];
    const uses = [await a.guard.reserve(one, 'trace'), await a.guard.reserve(other, 'trace')];
    await expect(b.guard.reserve(one, 'trace')).rejects.toThrow(Refusal);
    redis.pause();
    await Promise.all(uses.map((use) => a.guard.release(use)));
    redis.resume();
    for (const token of [one, other]) await eventually(async () => expect(await use(b, token)).toBe('used'));
  });

  test('a use that was given back can be made again, once', async () => {
    await start();
    const [a, b] = [await replica(), await replica()];
    const token = subject();
    await a.guard.release(await a.guard.reserve(token, 'one'));
    expect([await use(b, token), await use(a, token)]).toEqual(['used', 'replayed']);
  });

  test('a restart that forgets nothing refuses nothing: appendfsync always, kill -9', async () => {
    await start(ALWAYS);
    const one = await replica();
    const [used, unused] = [subject(), subject({ iat: seconds() - 100 })];
    expect(await use(one, used)).toBe('used');
    await redis.kill();
    await redis.restart();
    await eventually(async () => expect(await use(one, unused)).toBe('used'));
    expect([await use(one, used), await use(await replica(), used)]).toEqual(['replayed', 'replayed']);
    expect(await epochs()).toBe(1);
  });
});

describe('after a lost memory', () => {
  const losses: [string, () => Promise<void>][] = [
    ['FLUSHALL', () => command('FLUSHALL')],
    ['kill -9 without persistence', async () => (await redis.kill(), redis.restart())],
  ];
  test.each(losses)(
    'no token used before is let through by any replica, fresh ones are: %s (RPL-10)',
    async (_, lose) => {
      await start();
      const [a, b] = [await replica(), await replica()];
      const used = Array.from({ length: 40 }, (__, index) => subject({ iat: seconds() - index }));
      for (const [index, token] of used.entries()) expect(await use(index % 2 ? a : b, token)).toBe('used');
      await lose();
      await eventually(() => Promise.all([a.store.ping(), b.store.ping()]));
      const again = await Promise.all(used.flatMap((token) => [use(a, token), use(b, token)]));
      expect(again).not.toContain('used');
      expect(again.filter((one) => one === 'replay_state_lost').length).toBeGreaterThan(0);
      await Promise.all([freshTokenWorks(a), freshTokenWorks(b)]);
      expect(await epochs()).toBe(2);
      const noticed = await Promise.all([a, b].map((one) => valueOf(one, 'countersign_replay_memory_lost_total')));
      expect(Math.max(...noticed.map((count) => count ?? 0))).toBeGreaterThan(0);
    },
  );

  test('a token whose iat lay ahead when it was used is refused after it; other issuers pay nothing', async () => {
    await start();
    const [a, b] = [await replica(), await replica()];
    const early = subject({ iat: seconds() + 50 });
    expect([await use(a, early), await use(a, subject({ iat: seconds() + 40 }))]).toEqual(['used', 'used']);
    await command('FLUSHALL');
    const other = 'https://other.test';
    await eventually(async () => expect(await use(b, subject({ iss: other }))).toBe('used'));
    expect(await use(b, subject({ iss: other, iat: seconds() + 20 }))).toBe('used');
    for (const one of [a, b, await replica()]) expect(await use(one, early)).toBe('replay_state_lost');
    expect(await use(a, subject({ iat: early.iat + 1 }))).toBe('used');
  });

  test('what counts as ahead is the time of the store, not of the replica (R-33)', async () => {
    await start();
    const fast = await replica();
    const early = subject({ iat: seconds() + 60 });
    const real = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => real() + 120_000);
    expect(await use(fast, early)).toBe('used');
    expect(await valueOf(fast, 'countersign_replay_clock_ahead_seconds')).toBeCloseTo(120, -1);
    jest.restoreAllMocks();
    await command('FLUSHALL');
    // Whoever uses a token next begins the new epoch.
    await use(await replica(), subject());
    expect(await use(fast, early)).toBe('replay_state_lost');
  });

  test('a replica whose clock is wrong lets nothing in again, and shows it (RPL-13)', async () => {
    await start();
    const [right, wrong] = [await replica(), await replica()];
    const real = Date.now;
    // The store forgot this one when it had ended; a clock that is behind by ten minutes takes it for good.
    const ended = subject({ replayExpiresAt: seconds() - 40 });
    const used = subject({ replayExpiresAt: seconds() + 3_600 });
    expect(await use(right, used)).toBe('used');
    for (const ahead of [600, -600]) {
      jest.spyOn(Date, 'now').mockImplementation(() => real() + ahead * 1_000);
      expect(await use(wrong, used)).toBe('replayed');
      expect(await valueOf(wrong, 'countersign_replay_clock_ahead_seconds')).toBeCloseTo(ahead, -1);
      if (ahead < 0) expect(await use(wrong, ended)).toBe('unavailable');
      jest.restoreAllMocks();
    }
  });

  test('that an early use cannot be noted gives the token back', async () => {
    await start();
    const one = await replica();
    expect(await use(one, subject())).toBe('used');
    const early = subject({ iat: seconds() + 50 });
    await runSql(database.url, 'ALTER TABLE exchange.replay_early_use RENAME TO away');
    await expect(one.guard.reserve(early, 'lost')).rejects.toThrow();
    await runSql(database.url, 'ALTER TABLE exchange.away RENAME TO replay_early_use');
    expect(await use(one, early)).toBe('used');
  });

  test('a memory lost between taking a token and the new epoch does not lose that use', async () => {
    await start();
    const [a, b] = [await replica(), await replica()];
    await command('FLUSHALL');
    const original = a.store.inspect.bind(a.store);
    jest.spyOn(a.store, 'inspect').mockImplementationOnce(async (key) => {
      await command('FLUSHALL');
      return original(key);
    });
    const token = subject();
    expect(await use(a, token)).toBe('used');
    expect(await use(b, token)).toBe('replayed');
  });

  test('replicas that notice it together begin one epoch', async () => {
    await start();
    const replicas = await Promise.all([replica(), replica(), replica()]);
    expect(await Promise.all(replicas.map((one) => use(one, subject())))).toEqual(['used', 'used', 'used']);
    expect(await epochs()).toBe(1);
    await command('FLUSHALL');
    await Promise.all(replicas.flatMap((one) => Array.from({ length: 30 }, () => use(one, subject()))));
    expect(await epochs()).toBe(2);
  });

  test('a lost epoch in Postgres is a loss too, and replicas that knew it follow', async () => {
    await start();
    const a = await replica();
    const used = subject();
    expect(await use(a, used)).toBe('used');
    await runSql(database.url, 'TRUNCATE exchange.replay_epoch CASCADE');
    const b = await replica();
    expect(await use(b, subject({ iat: seconds() - 5 }))).toBe('replay_state_lost');
    expect([await use(a, used), await use(a, subject({ iat: seconds() - 5 }))]).toEqual([
      'replayed',
      'replay_state_lost',
    ]);
  });
});

describe('after a memory that came back older', () => {
  test('an old snapshot of the same epoch: what it may lack is refused', async () => {
    await start();
    const [a, b] = [await replica(), await replica()];
    const [kept, forgotten] = [subject(), subject()];
    expect(await use(a, kept)).toBe('used');
    await command('SAVE');
    expect(await use(b, forgotten)).toBe('used');
    await redis.kill();
    await redis.restart();
    await eventually(() => Promise.all([a.store.ping(), b.store.ping()]));
    expect([await use(a, forgotten), await use(b, forgotten)]).toEqual(['replay_state_lost', 'replay_state_lost']);
    expect(await use(b, kept)).toBe('replayed');
    await freshTokenWorks(a);
  });

  test('a snapshot of an earlier epoch, met by a replica that was idle since', async () => {
    await start(ALWAYS);
    const [busy, idle] = [await replica(), await replica()];
    for (const one of [busy, idle]) expect(await use(one, subject())).toBe('used');
    const client = new Redis(redis.url);
    const snapshot = await client.get('cs:exchange:epoch');
    await command('FLUSHALL');
    await freshTokenWorks(busy);
    const forgotten = subject();
    expect(await use(busy, forgotten)).toBe('used');
    // What restoring an old file leaves: the old sentinel, and nothing that came after.
    await client.flushall();
    await client.set('cs:exchange:epoch', snapshot as string);
    await client.quit();
    await redis.kill();
    await redis.restart();
    await eventually(() => idle.store.ping());
    expect(await use(idle, forgotten)).toBe('replay_state_lost');
  });

  test('a replica that took over without the last writes (RPL-11, R-04)', async () => {
    await start(`${ALWAYS}\nrepl-diskless-sync-delay 0`);
    const one = await replica();
    const follower = await startRedis({ config: ALWAYS });
    closing.push(() => follower.stop());
    const admin = new Redis(follower.url);
    expect(await use(one, subject())).toBe('used');
    await admin.replicaof('127.0.0.1', redis.port);
    await eventually(async () => expect(await admin.get('cs:exchange:epoch')).not.toBeNull());
    follower.pause();
    const missed = subject();
    expect(await use(one, missed)).toBe('used');
    await redis.kill();
    follower.resume();
    const after = await replica(follower.url);
    expect(await use(after, missed)).toBe('unavailable');
    await admin.replicaof('NO', 'ONE');
    await admin.quit();
    const outcome = await eventually(async () => {
      const result = await use(after, missed);
      if (result === 'unavailable') throw new Error(result);
      return result;
    });
    expect(outcome).not.toBe('used');
    await freshTokenWorks(after);
  });
});

describe('an address that leads to the replica that took over (R-04)', () => {
  const untilReplicated = (admin: Redis): Promise<void> =>
    eventually(async () => expect(await admin.info('replication')).toContain('master_link_status:up'));

  test('nothing is let through meanwhile, the demoted primary is left, and no use is forgotten', async () => {
    const primaryConfig = `${ALWAYS}\nrepl-diskless-sync-delay 0\nmin-replicas-to-write 1\nmin-replicas-max-lag 1`;
    await start(primaryConfig);
    const follower = await startRedis({ config: ALWAYS });
    closing.push(() => follower.stop());
    const [address, between] = [await addressOf(redis), await addressOf(redis)];
    const [old, next] = [new Redis(redis.url), new Redis(follower.url)];
    await next.replicaof('127.0.0.1', between.port);
    await untilReplicated(next);
    const [a, b] = [await replica(address.url), await replica(address.url)];
    await freshTokenWorks(a);
    const [known, missed] = [subject(), subject()];
    expect(await use(a, known)).toBe('used');
    await eventually(async () => expect(await next.exists(`cs:exchange:used:${known.replayKey}`)).toBe(1));

    // The link between the two is cut: what is used now is not known to the replica, until the primary refuses.
    between.late = { requestsMs: Infinity, answersMs: Infinity };
    expect(await use(b, missed)).toBe('used');
    await eventually(async () => expect(await use(a, subject())).toBe('unavailable'));
    await next.replicaof('NO', 'ONE');
    address.target = follower.port;
    for (const one of [a, b]) expect(await use(one, subject())).toBe('unavailable');
    // It comes back as a replica; our connections to it were never cut.
    await old.replicaof('127.0.0.1', follower.port);

    await Promise.all([a, b].map(freshTokenWorks));
    for (const one of [a, b, await replica(address.url)])
      expect([await use(one, known), await use(one, missed)]).not.toContain('used');
    expect(await valueOf(a, 'countersign_replay_memory_lost_total')).toBeDefined();
    expect(await epochs()).toBe(2);
    await Promise.all([old.quit(), next.quit()]);
  });
});

describe('a reservation without an answer (RPL-15)', () => {
  test.each([
    ['what is asked', { requestsMs: 1_500, answersMs: 0 }, false],
    ['what is answered', { requestsMs: 0, answersMs: 1_500 }, false],
    ['what is asked, longer than a connection lives', { requestsMs: Infinity, answersMs: 0 }, true],
  ])('is no second use when it is done late, and is given back (R-06): %s', async (_, late, isLost) => {
    await start();
    const address = await addressOf(redis);
    const [slow, other] = [await replica(address.url), await replica()];
    for (const one of [slow, other]) expect(await use(one, subject())).toBe('used');
    const tokens = Array.from({ length: 30 }, () => subject());
    address.late = late;
    const caught = await Promise.all(tokens.map((token) => use(slow, token)));
    expect(new Set(caught)).toEqual(new Set(['unavailable']));
    // Some meet the reservation before it is done, some after, some when it was given back.
    const outcomes = new Map<VerifiedSubject, string[]>();
    const attempt = async (one: Replica, token: VerifiedSubject): Promise<void> =>
      void outcomes.set(token, [...(outcomes.get(token) ?? []), await use(one, token)]);
    for (const token of tokens.slice(0, 10)) await attempt(other, token);
    if (isLost) await eventually(() => expect(slow.link.client.status).not.toBe('ready'));
    address.late = { requestsMs: 0, answersMs: 0 };
    await eventually(() => slow.store.ping());
    for (const token of tokens)
      await eventually(async () => {
        await attempt(slow, token);
        await attempt(other, token);
        expect(outcomes.get(token)).toContain('used');
      });
    for (const token of tokens) {
      await attempt(other, token);
      expect(outcomes.get(token)?.filter((one) => one === 'used')).toEqual(['used']);
    }
  });

  test('is given back once the store answers again, so that the retry works at any replica, once', async () => {
    await start();
    const [a, b] = [await replica(), await replica()];
    expect(await use(a, subject())).toBe('used');
    const token = subject();
    redis.pause();
    expect(await use(a, token)).toBe('unavailable');
    redis.resume();
    await eventually(async () => expect(await use(b, token)).toBe('used'));
    expect([await use(a, token), await use(b, token)]).toEqual(['replayed', 'replayed']);
  });

  test('the same when it stays silent until the connection is replaced', async () => {
    await start();
    const [a, b] = [await replica(), await replica()];
    const token = subject();
    expect(await use(a, subject())).toBe('used');
    redis.pause();
    expect(await use(a, token)).toBe('unavailable');
    await eventually(() => expect(a.link.client.status).not.toBe('ready'));
    redis.resume();
    await eventually(async () => expect(await use(b, token)).toBe('used'));
    await eventually(async () => expect(await use(a, token)).toBe('replayed'));
  });

  test('a release that the store did not hear is repeated, and spares another attempt’s use', async () => {
    await start(ALWAYS);
    const [a, b] = [await replica(), await replica()];
    const [first, second] = [subject(), subject()];
    const uses = [await a.guard.reserve(first, 'one'), await a.guard.reserve(second, 'two')] as const;
    await redis.kill();
    await Promise.all(uses.map((one) => a.guard.release(one)));
    await redis.restart();
    await eventually(async () => expect(await use(b, first)).toBe('used'));
    await eventually(async () => expect(await use(b, second)).toBe('used'));
    await a.guard.release(uses[0]);
    expect(await use(a, first)).toBe('replayed');
  });
});

describe('a store that is not what it should be', () => {
  test('another type under the key or the sentinel, or no memory left: unavailable, nothing issued (BUS-11, RPL-12)', async () => {
    await start();
    const one = await replica();
    const token = subject({ replayKey: 'typed' });
    await command('HSET', 'cs:exchange:used:typed', 'a', 'b');
    expect(await use(one, token)).toBe('unavailable');
    await command('DEL', 'cs:exchange:used:typed');
    await command('CONFIG', 'SET', 'maxmemory', '1');
    expect(await use(one, token)).toBe('unavailable');
    await command('CONFIG', 'SET', 'maxmemory', '0');
    await command('DEL', 'cs:exchange:epoch');
    await command('LPUSH', 'cs:exchange:epoch', 'a');
    expect(await use(one, token)).toBe('unavailable');
  });
});
