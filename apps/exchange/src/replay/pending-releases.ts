import type { ExpiringStore } from '@countersign/redis';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
/** A reservation that was given up may still be on its way to the store: it is looked for a little longer. */
const LINGER_MS = 3_000;
/** Above that the oldest are dropped: their tokens stay used, which is unfriendly and safe. */
const MOST_PENDING = 10_000;

/** A subject token held as used by one attempt; the id belongs to this one use and to no other. */
export interface Use {
  key: string;
  id: string;
}

/**
 * Gives uses back, and goes on trying while the store cannot be reached. The id belongs to one use, whose
 * attempt has failed by then, so that a late release never hits somebody's use.
 */
export class PendingReleases {
  /** By id of the use; `until` (milliseconds, monotonic) is set once the store has said that the use is not there. */
  private readonly pending = new Map<string, { use: Use; until: number | null }>();
  private timer: NodeJS.Timeout | null = null;
  private pauseMs = FIRST_PAUSE_MS;

  constructor(private readonly store: Pick<ExpiringStore, 'deleteIfEquals'>) {}

  /** Tries once, and goes on in the background unless the use was there and is gone. Never throws. */
  async release(use: Use): Promise<void> {
    const isGone = await this.deleted(use);
    if (isGone === true) return;
    this.pending.set(use.id, { use, until: isGone === false ? performance.now() + LINGER_MS : null });
    const [oldest] = this.pending.keys();
    if (this.pending.size > MOST_PENDING && oldest !== undefined) this.pending.delete(oldest);
    this.schedule();
  }

  private schedule(): void {
    if (this.timer !== null || this.pending.size === 0) return;
    this.timer = setTimeout(() => void this.tryAll(), this.pauseMs).unref();
  }

  private async tryAll(): Promise<void> {
    const isReachable = await this.releaseAll();
    this.pauseMs = isReachable ? FIRST_PAUSE_MS : Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
    this.timer = null;
    this.schedule();
  }

  /** False when the store could not be asked; the rest waits then, as nothing else would come of it. */
  private async releaseAll(): Promise<boolean> {
    for (const [id, entry] of [...this.pending]) {
      const isGone = await this.deleted(entry.use);
      if (isGone === null) return false;
      entry.until ??= performance.now() + LINGER_MS;
      if (isGone || performance.now() > entry.until) this.pending.delete(id);
    }
    return true;
  }

  /** Null when the store did not answer. */
  private deleted({ key, id }: Use): Promise<boolean | null> {
    return this.store.deleteIfEquals(key, id).catch(() => null);
  }
}
