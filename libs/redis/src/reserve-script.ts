import { randomUUID } from 'node:crypto';
import { UnavailableError } from '@countersign/platform';
import type { Redis } from 'ioredis';
import { orUnavailable, transactionResults } from './redis-link';
import { lifeOf } from './server-info';

/** Who held the key before, the sentinel, and the server's clock; nil is null. */
type Answer = [heldBefore: string | null, sentinel: string | null, seconds: string, microseconds: string];

const RESERVE = `
local held = redis.call('set', KEYS[1], ARGV[1], 'EXAT', ARGV[2], 'NX', 'GET')
local time = redis.call('time')
return { held, redis.call('get', KEYS[2]), time[1], time[2] }`;

/** A primary that follows another one and comes back is another life, and keeps its scripts: found out by asking. */
const ASK_AGAIN_MS = 1_000;

interface Loaded {
  sha: string;
  life: string;
  askedAt: number;
}

export interface ReserveCall {
  key: string;
  value: string;
  /** Epoch seconds. */
  expiresAt: number;
  sentinelKey: string;
}

/**
 * One step on the server, which proves by its name in which run of the server it was taken: the script was loaded with
 * a text that no other run was given, in the transaction that read the run. A restarted server, or another one, does not
 * know it. To ask the server in each step who it is would cost more than the step.
 */
export class ReserveScript {
  private loading: Promise<Loaded> | undefined;
  private loaded: Loaded | undefined;

  constructor(private readonly client: Redis) {}

  /** @throws UnavailableError */
  async run(call: ReserveCall): Promise<{ answer: Answer; life: string }> {
    const first = await this.current();
    const [life, answer] = await Promise.all([this.lifeOf(first), this.evaluate(first, call)]);
    if (answer !== null) return { answer, life };
    if (this.loaded === first) this.loaded = undefined;
    const second = await this.current();
    const late = await this.evaluate(second, call);
    if (late === null) throw new UnavailableError('redis', { cause: new Error('the server forgets its scripts') });
    return { answer: late, life: second.life };
  }

  /** Null when the server does not know the script. */
  private evaluate({ sha }: Loaded, { key, value, expiresAt, sentinelKey }: ReserveCall): Promise<Answer | null> {
    const answer = this.client.evalsha(sha, 2, key, sentinelKey, value, expiresAt) as Promise<Answer>;
    return orUnavailable(
      answer.catch((error: unknown) => {
        if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return null;
        throw error;
      }),
    );
  }

  /** Asked for again now and then, in the same piece as the step that wants to know. */
  private async lifeOf(known: Loaded): Promise<string> {
    const now = performance.now();
    if (now < known.askedAt + ASK_AGAIN_MS) return known.life;
    known.askedAt = now;
    try {
      const life = lifeOf(await orUnavailable(this.client.info('server', 'replication')));
      if (life !== known.life && this.loaded === known) this.loaded = undefined;
      return life;
    } catch (error) {
      known.askedAt = -Infinity;
      throw error;
    }
  }

  private async current(): Promise<Loaded> {
    if (this.loaded !== undefined) return this.loaded;
    this.loading ??= this.load().finally(() => (this.loading = undefined));
    this.loaded = await this.loading;
    return this.loaded;
  }

  /** Never with the text of another life: a step that is on its way to that one would be taken in this one. */
  private async load(): Promise<Loaded> {
    const askedAt = performance.now();
    const text = `-- ${randomUUID()}${RESERVE}`;
    const transaction = this.client.multi().info('server', 'replication').script('LOAD', text).exec();
    const [info, sha] = transactionResults(await orUnavailable(transaction));
    return { sha: String(sha), life: lifeOf(String(info)), askedAt };
  }
}
