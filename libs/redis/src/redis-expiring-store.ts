import { UnavailableError } from '@countersign/platform';
import { ExpiringStore, type Reservation, type StoreState } from './expiring-store';
import { checkExpiry, checkKeys } from './keys';
import { orUnavailable, type RedisLink } from './redis-link';
import { beganComplete, lifeOf } from './server-info';

/** Comparing and deleting in one step; between two, another could take the key. */
const DELETE_IF_EQUALS = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

/** Keys with an end in Redis. It owns its link: closing the store closes the link. */
export class RedisExpiringStore extends ExpiringStore {
  constructor(private readonly link: RedisLink) {
    super();
  }

  async get(key: string): Promise<string | null> {
    checkKeys(key);
    return orUnavailable(this.link.client.get(key));
  }

  async set(key: string, value: string, expiresAt: number | null): Promise<void> {
    checkKeys(key);
    const { client } = this.link;
    if (expiresAt === null) return void (await orUnavailable(client.set(key, value)));
    checkExpiry(expiresAt);
    await orUnavailable(client.set(key, value, 'EXAT', expiresAt));
  }

  async reserve(key: string, value: string, expiresAt: number, sentinelKey: string): Promise<Reservation> {
    checkKeys(key, sentinelKey);
    checkExpiry(expiresAt);
    const transaction = this.link.client
      .multi()
      .set(key, value, 'EXAT', expiresAt, 'NX')
      .get(key)
      .get(sentinelKey)
      .time()
      .info('server', 'replication')
      .exec();
    const [, held, sentinel, time, info] = results(await orUnavailable(transaction));
    // Its clock is ahead of ours: Redis answers OK for an end in its past, and stores nothing.
    if (held === null) throw new UnavailableError('redis', { cause: new Error('the key was gone at once') });
    return { reserved: held === value, heldBy: text(held), ...observed(sentinel, time, info) };
  }

  async increment(key: string, expiresAt: number): Promise<number> {
    checkKeys(key);
    checkExpiry(expiresAt);
    const transaction = this.link.client.multi().set(key, 0, 'EXAT', expiresAt, 'NX').incr(key).exec();
    const [, sum] = results(await orUnavailable(transaction));
    return Number(sum);
  }

  async inspect(sentinelKey: string): Promise<StoreState> {
    checkKeys(sentinelKey);
    const transaction = this.link.client.multi().get(sentinelKey).time().info().exec();
    const [sentinel, time, info] = results(await orUnavailable(transaction));
    return { ...observed(sentinel, time, info), remembers: beganComplete(String(info)) };
  }

  async deleteIfEquals(key: string, value: string): Promise<boolean> {
    checkKeys(key);
    return (await orUnavailable(this.link.client.eval(DELETE_IF_EQUALS, 1, key, value))) === 1;
  }

  async delete(key: string): Promise<void> {
    checkKeys(key);
    await orUnavailable(this.link.client.del(key));
  }

  ping(): Promise<void> {
    return this.link.ping();
  }

  close(): Promise<void> {
    return this.link.close();
  }
}

/** The answers of a transaction; one that failed fails the whole, whatever the others did. */
function results(answers: [Error | null, unknown][] | null): unknown[] {
  if (answers === null) throw new UnavailableError('redis');
  return answers.map(([error, value]) => {
    if (error !== null) throw new UnavailableError('redis', { cause: new Error(error.message) });
    return value ?? null;
  });
}

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

function observed(sentinel: unknown, time: unknown, info: unknown): Pick<StoreState, 'sentinel' | 'life' | 'now'> {
  const [seconds, microseconds] = (time as [string, string]).map(Number) as [number, number];
  return {
    sentinel: text(sentinel),
    life: lifeOf(String(info)),
    now: seconds + microseconds / 1e6,
  };
}
