import { randomUUID } from 'node:crypto';
import { Gatherer, UnavailableError } from '@countersign/platform';
import type { Reservation, ReserveCall } from './expiring-store';
import { transactionResults, unavailable, type RedisLink } from './redis-link';
import { lifeOf } from './server-info';

/** The server's clock, and for each call who held its key before and its sentinel; nil is null. */
type Answer = [seconds: string, microseconds: string, held: (string | Error | null)[]];

/** One that fails, by the type of its key or for want of memory, fails alone. */
const RESERVE = `
local held = {}
for n = 1, #KEYS, 2 do
  held[n] = redis.pcall('set', KEYS[n], ARGV[n], 'EXAT', ARGV[n + 1], 'NX', 'GET')
  held[n + 1] = redis.pcall('get', KEYS[n + 1])
end
local time = redis.call('time')
return { time[1], time[2], held }`;

/** A script holds up everybody else for as long as it runs. */
const MOST_IN_ONE_STEP = 64;
/** Longer than an answer takes, and no delay to speak of behind a step that hangs. */
const PATIENCE_MS = 10;
/** A primary that follows another one and comes back is another life, and keeps its scripts: found out by asking. */
const ASK_AGAIN_MS = 1_000;

interface Loaded {
  sha: string;
  life: string;
  askedAt: number;
}

/** What one step on the server found. */
export interface Reserved extends Omit<Reservation, 'reserved' | 'heldBy'> {
  /** Null when the key was free. */
  heldBefore: string | null;
}

/**
 * One step on the server, for all keys that are asked for at once. It proves by its name in which run of the server it
 * was taken: the script was loaded with a text that no other run was given, in the transaction that read the run. A
 * restarted server, or another one, does not know it. To ask the server in each step who it is would cost more than the
 * step.
 */
export class ReserveScript {
  private loading: Promise<Loaded> | undefined;
  private loaded: Loaded | undefined;
  private readonly calls = new Gatherer<ReserveCall, Reserved>({
    most: MOST_IN_ONE_STEP,
    patienceMs: PATIENCE_MS,
    work: (calls) => this.runTogether(calls),
  });

  constructor(private readonly link: RedisLink) {}

  /** @throws UnavailableError */
  run(call: ReserveCall): Promise<Reserved> {
    return this.calls.add(call);
  }

  private async runTogether(calls: ReserveCall[]): Promise<(Reserved | Promise<Reserved>)[]> {
    const first = await this.current();
    const [life, answer] = await Promise.all([this.lifeOf(first), this.evaluate(first, calls)]);
    if (answer !== null) return this.reservedOf(calls, answer, life);
    if (this.loaded === first) this.loaded = undefined;
    const second = await this.current();
    const late = await this.evaluate(second, calls);
    if (late === null) throw new UnavailableError('redis', { cause: new Error('the server forgets its scripts') });
    return this.reservedOf(calls, late, second.life);
  }

  /** Null when the server does not know the script. */
  private evaluate({ sha }: Loaded, calls: ReserveCall[]): Promise<Answer | null> {
    const keys = calls.flatMap(({ key, sentinelKey }) => [key, sentinelKey]);
    const values = calls.flatMap(({ value, expiresAt }) => [value, expiresAt]);
    return this.link.ask((client) => {
      const answer = client.evalsha(sha, keys.length, ...keys, ...values) as Promise<Answer>;
      return answer.catch((error: unknown) => {
        if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return null;
        throw error;
      });
    });
  }

  /** Asked for again now and then, in the same piece as the step that wants to know. */
  private async lifeOf(known: Loaded): Promise<string> {
    const now = performance.now();
    if (now < known.askedAt + ASK_AGAIN_MS) return known.life;
    known.askedAt = now;
    try {
      const life = lifeOf(await this.link.ask((client) => client.info('server', 'replication')));
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
    const [info, sha] = await this.link.ask(async (client) =>
      transactionResults(await client.multi().info('server', 'replication').script('LOAD', text).exec()),
    );
    return { sha: String(sha), life: lifeOf(String(info)), askedAt };
  }

  private reservedOf(calls: ReserveCall[], answer: Answer, life: string): (Reserved | Promise<Reserved>)[] {
    const [seconds, microseconds, held] = answer;
    const now = Number(seconds) + Number(microseconds) / 1e6;
    return calls.map((_, place) => {
      const [heldBefore = null, sentinel = null] = held.slice(2 * place, 2 * place + 2);
      const error = [heldBefore, sentinel].find((one) => one instanceof Error);
      if (error === undefined) return { heldBefore, sentinel, life, now } as Reserved;
      this.link.noteError(error);
      return Promise.reject(unavailable(error));
    });
  }
}
