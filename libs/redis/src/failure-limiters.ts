import { RateLimiterMemory, RateLimiterRedis, type RateLimiterAbstract } from 'rate-limiter-flexible';
import { FailureLimiter } from './failure-limiter';
import type { RedisLink } from './redis-link';

export interface FailureBudget {
  /** Failures that a key may make in a window. */
  points: number;
  /** Length of the window. */
  seconds: number;
}

const limits = ({ points, seconds }: FailureBudget, keyPrefix: string) => ({ points, duration: seconds, keyPrefix });

async function blockedFor(limiter: RateLimiterAbstract, key: string, points: number): Promise<number> {
  const state = await limiter.get(key);
  if (state === null || state.consumedPoints < points) return 0;
  return Math.max(1, Math.ceil(state.msBeforeNext / 1000));
}

/** `penalty` counts and never refuses, unlike `consume`. */
const count = async (limiter: RateLimiterAbstract, key: string): Promise<void> => void (await limiter.penalty(key, 1));

/** How long what the other replicas counted may be unknown here. */
const FRESH_MS = 1_000;
const MOST_KEYS = 10_000;

/** Counts in Redis, shared by all replicas; in memory, each replica for itself, while Redis is away or late. */
export class RedisFailureLimiter extends FailureLimiter {
  private readonly limiter: RateLimiterRedis;
  private readonly inMemory: MemoryFailureLimiter;
  /** What was found lately, so that honest traffic does not ask for each request; own failures are known at once. */
  private readonly known = new Map<string, { seconds: Promise<number>; until: number }>();

  constructor(
    private readonly link: RedisLink,
    private readonly budget: FailureBudget,
    keyPrefix = 'cs:failures',
  ) {
    super();
    const storeClient = link.client;
    this.limiter = new RateLimiterRedis({ ...limits(budget, keyPrefix), storeClient, rejectIfRedisNotReady: true });
    this.inMemory = new MemoryFailureLimiter(budget);
  }

  blockedFor(key: string): Promise<number> {
    const now = performance.now();
    const known = this.known.get(key);
    if (known !== undefined && now < known.until) return known.seconds;
    const seconds = this.inRedis((limiter) => blockedFor(limiter, key, this.budget.points)).catch(() =>
      this.inMemory.blockedFor(key),
    );
    if (this.known.size >= MOST_KEYS) this.known.clear();
    this.known.set(key, { seconds, until: now + FRESH_MS });
    return seconds;
  }

  async count(key: string): Promise<void> {
    await this.inRedis((limiter) => count(limiter, key)).catch(() => this.inMemory.count(key));
    this.known.delete(key);
  }

  /** Not asked while Redis is late; that it was late for a count alone refuses nobody a reservation. */
  private async inRedis<T>(work: (limiter: RateLimiterRedis) => Promise<T>): Promise<T> {
    this.link.assertPrompt();
    return work(this.limiter);
  }
}

/** Counts in this process, for the embedded mode. */
export class MemoryFailureLimiter extends FailureLimiter {
  private readonly limiter: RateLimiterMemory;

  constructor(private readonly budget: FailureBudget) {
    super();
    this.limiter = new RateLimiterMemory(limits(budget, 'failures'));
  }

  blockedFor(key: string): Promise<number> {
    return blockedFor(this.limiter, key, this.budget.points);
  }

  count(key: string): Promise<void> {
    return count(this.limiter, key);
  }
}
