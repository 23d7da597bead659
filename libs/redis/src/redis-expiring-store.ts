import { UnavailableError } from '@countersign/platform';
import type { Redis } from 'ioredis';
import { ExpiringStore, type Reservation, type StoreState } from './expiring-store';
import { checkExpiry, checkKeys } from './keys';
import { transactionResults, type RedisLink } from './redis-link';
import { ReserveScript } from './reserve-script';
import { beganComplete, lifeOf } from './server-info';

/** Comparing and deleting in one step; between two, another could take the key. */
const DELETE_IF_EQUALS = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

/** Keys with an end in Redis. It owns its link: closing the store closes the link. */
export class RedisExpiringStore extends ExpiringStore {
  private readonly script: ReserveScript;

  constructor(private readonly link: RedisLink) {
    super();
    this.script = new ReserveScript(link);
  }

  override assertPrompt(): void {
    this.link.assertPrompt();
  }

  async get(key: string): Promise<string | null> {
    checkKeys(key);
    return this.link.ask((client) => client.get(key));
  }

  async set(key: string, value: string, expiresAt: number | null): Promise<void> {
    checkKeys(key);
    if (expiresAt === null) return void (await this.link.ask((client) => setForEver(client, key, value)));
    checkExpiry(expiresAt);
    await this.link.ask((client) => client.set(key, value, 'EXAT', expiresAt));
  }

  async reserve(key: string, value: string, expiresAt: number, sentinelKey: string): Promise<Reservation> {
    checkKeys(key, sentinelKey);
    checkExpiry(expiresAt);
    const { heldBefore, sentinel, life, now } = await this.script.run({ key, value, expiresAt, sentinelKey });
    // Its clock is ahead of ours: Redis answers OK for an end in its past, and stores nothing.
    if (expiresAt <= now) throw new UnavailableError('redis', { cause: new Error('the key was gone at once') });
    const heldBy = heldBefore ?? value;
    return { reserved: heldBy === value, heldBy, sentinel, life, now };
  }

  async increment(key: string, expiresAt: number): Promise<number> {
    checkKeys(key);
    checkExpiry(expiresAt);
    const [, sum] = await this.link.ask(async (client) =>
      transactionResults(await client.multi().set(key, 0, 'EXAT', expiresAt, 'NX').incr(key).exec()),
    );
    return Number(sum);
  }

  async inspect(sentinelKey: string): Promise<StoreState> {
    checkKeys(sentinelKey);
    const [sentinel, time, answer] = await this.link.ask(async (client) =>
      transactionResults(await client.multi().get(sentinelKey).time().info().exec()),
    );
    const info = String(answer);
    return {
      sentinel: typeof sentinel === 'string' ? sentinel : null,
      life: lifeOf(info),
      now: secondsOf(time),
      remembers: beganComplete(info),
    };
  }

  /** Gives back what a reservation may have taken, and gets in line right behind it. */
  async deleteIfEquals(key: string, value: string): Promise<boolean> {
    checkKeys(key);
    return (await this.link.askAnyway((client) => client.eval(DELETE_IF_EQUALS, 1, key, value))) === 1;
  }

  async delete(key: string): Promise<void> {
    checkKeys(key);
    await this.link.ask((client) => client.del(key));
  }

  ping(): Promise<void> {
    return this.link.ping();
  }

  close(): Promise<void> {
    return this.link.close();
  }
}

const secondsOf = (time: unknown): number => {
  const [seconds, microseconds] = (time as [string, string]).map(Number) as [number, number];
  return seconds + microseconds / 1e6;
};

/**
 * Reservations that come together are a transaction in the append-only file, and a Redis whose default user may not
 * write leaves transactions out when it reads the file. This is one too: what is kept for ever is then lost with them,
 * which shows, while a single SET would say that nothing was forgotten. Twice, as Redis files one command by itself.
 */
const setForEver = async (client: Redis, key: string, value: string): Promise<unknown[]> =>
  transactionResults(await client.multi().set(key, value).set(key, value).exec());
