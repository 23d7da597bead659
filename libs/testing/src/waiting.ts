import { setTimeout as delay } from 'node:timers/promises';

/** For machines that are slow and busy: what never comes costs this long, what comes late is no failure. */
const DEADLINE_MS = 30_000;
const SLACK = process.env.COUNTERSIGN_SOAK === '1' ? 1 : 10;

/**
 * How long a test lets something take that is promised within `promisedMs`: ten times that, since two busy cores keep
 * no promise. With COUNTERSIGN_SOAK=1, on a machine with nothing else to do, it is the promise itself.
 */
export const generous = (promisedMs: number): number => promisedMs * SLACK;

/** Collects what happens, and waits for it. */
export class Recorder<T> {
  readonly items: T[] = [];
  private readonly waiting = new Set<() => void>();

  readonly add = (...items: T[]): void => {
    this.items.push(...items);
    this.waiting.forEach((check) => check());
  };

  /** Resolves with the items once there are this many. @throws Error when they do not come in time */
  async atLeast(count: number, deadlineMs = DEADLINE_MS): Promise<T[]> {
    if (this.items.length >= count) return this.items;
    await new Promise<void>((resolve, reject) => {
      const done = (finish: () => void): void => {
        clearTimeout(timer);
        this.waiting.delete(check);
        finish();
      };
      const check = (): void => void (this.items.length >= count && done(resolve));
      const late = (): Error => new Error(`${this.items.length} of ${count} within ${deadlineMs} ms`);
      const timer = setTimeout(() => done(() => reject(late())), deadlineMs);
      this.waiting.add(check);
    });
    return this.items;
  }
}

/** Tries until it resolves; for what gives no sign when it is ready. @throws the last failure after the deadline */
export async function eventually<T>(attempt: () => Promise<T> | T, deadlineMs = DEADLINE_MS): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await delay(20);
    }
  }
}
