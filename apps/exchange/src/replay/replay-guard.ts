import { Metrics, pooledRandom, UnavailableError } from '@countersign/platform';
import { ExpiringStore } from '@countersign/redis';
import type { VerifiedSubject } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { Refusal, refuseToken } from '../token/refusal';
import { PendingReleases, type Use } from './pending-releases';
import { ReplayEpochs, SENTINEL, isOfEpoch, mayBeForgotten } from './replay-epochs';

export type { Use };

const KEY_PREFIX = 'cs:exchange:used:';
/** Each round takes a lost memory to go on; a store that loses it again and again cannot be relied on. */
const MOST_ROUNDS = 4;

/**
 * Lets each subject token be used once. A use holds when the atomic step that took it also read the epoch in force,
 * from the run of the server that is known to remember it; tokens that an earlier epoch may have seen are refused.
 */
@Injectable()
export class ReplayGuard {
  private readonly releases: PendingReleases;
  private readonly clockAhead;

  constructor(
    private readonly store: ExpiringStore,
    private readonly epochs: ReplayEpochs,
    metrics: Metrics,
  ) {
    this.releases = new PendingReleases(store);
    const help = 'How far the clock of this replica is ahead of the replay store';
    this.clockAhead = metrics.gauge('countersign_replay_clock_ahead_seconds', help);
  }

  /** Throws Refusal (replayed, replay_state_lost) or UnavailableError; resolves when the use is ours. */
  async reserve(subject: VerifiedSubject, traceId: string): Promise<Use> {
    // The same id would be the same use: nothing that a caller could repeat may make it up alone.
    const id = `${traceId}.${pooledRandom(8).toString('base64url')}`;
    const use = { key: KEY_PREFIX + subject.replayKey, id };
    this.store.assertPrompt();
    try {
      await this.take(use, subject);
      return use;
    } catch (error) {
      // Also when no answer came: the step may have been done, or may be done later. Not waited for: the store that
      // did not answer the one takes as long over the other, and the caller is to know within a second.
      if (!(error instanceof Refusal && error.record.reason === 'replayed')) void this.release(use);
      throw error;
    }
  }

  /** Gives the token back after a failure of our own, so that the client's retry succeeds; never another's use. */
  async release(use: Use): Promise<void> {
    await this.releases.release(use);
  }

  private async take(use: Use, subject: VerifiedSubject): Promise<void> {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const seen = await this.store.reserve(use.key, use.id, subject.replayExpiresAt, SENTINEL);
      this.clockAhead.set(Date.now() / 1000 - seen.now);
      if (!seen.reserved) throw refuseToken('replayed', firstUse(seen.heldBy));
      const epoch = await this.epochs.confirm(seen);
      if (!isOfEpoch(seen, epoch)) continue;
      if (mayBeForgotten(epoch, subject))
        throw refuseToken('replay_state_lost', 'issued before the replay store lost its memory');
      if (await this.epochs.noteEarlyUse(epoch, subject, seen.now)) return;
    }
    throw new UnavailableError('redis', { cause: new Error('the replay store loses its memory again and again') });
  }
}

const firstUse = (id: string | null): string =>
  id === null ? 'used before' : `first used in trace ${id.split('.')[0]}`;
