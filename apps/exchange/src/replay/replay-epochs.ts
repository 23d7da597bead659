import { randomUUID } from 'node:crypto';
import { Logger, Metrics } from '@countersign/platform';
import { ExpiringStore, type Reservation } from '@countersign/redis';
import type { VerifiedSubject } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ExchangeDatabase } from '../database';
import * as rows from './replay-rows';

/** What stands in the store for as long as its memory lasts: the id of the epoch. */
export const SENTINEL = 'cs:exchange:epoch';

/** A stretch of time of which the store remembers every use. */
export interface ReplayEpoch extends rows.EpochRow {
  /** The run of the store's server that is known to remember it. */
  life: string;
  /** By issuer, the latest `iat` that an earlier epoch let through before its time had come. */
  forgottenEarlyUses: ReadonlyMap<string, number>;
}

type Seen = Pick<Reservation, 'sentinel' | 'life'>;

/**
 * Knows whether the replay store still is the one it was: the id of the epoch stands both there and in Postgres, and
 * Postgres knows the run of the server. What the store cannot have kept is refused from then on by its `iat`.
 */
@Injectable()
export class ReplayEpochs {
  private current: ReplayEpoch | null = null;
  private confirming: Promise<ReplayEpoch> | null = null;
  /** By issuer, the latest early `iat` of the current epoch that is known to stand in Postgres. */
  private readonly noted = new Map<string, number>();
  private readonly losses;

  constructor(
    private readonly store: ExpiringStore,
    private readonly database: ExchangeDatabase,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.losses = metrics.counter('countersign_replay_memory_lost_total', 'Times the replay store lost its memory', []);
  }

  /** The epoch in force; where it is not the one that was seen, the use must be taken again. Throws UnavailableError. */
  async confirm(seen: Seen): Promise<ReplayEpoch> {
    if (this.current !== null && isOfEpoch(seen, this.current)) return this.current;
    this.confirming ??= this.adopt().finally(() => (this.confirming = null));
    return this.confirming;
  }

  /**
   * A token whose `iat` lies ahead of the store's clock would look fresh to the next epoch. That such a one was used
   * is kept in Postgres, which costs the usual token nothing. False: the epoch is over, and the use with it.
   */
  async noteEarlyUse(epoch: ReplayEpoch, { iss, iat }: VerifiedSubject, storeNow: number): Promise<boolean> {
    if (iat <= storeNow) return true;
    const second = Math.ceil(iat);
    if (this.current === epoch && second <= (this.noted.get(iss) ?? 0)) return true;
    const isNoted = await this.database.transaction((manager) => rows.noteEarlyUse(manager, epoch.id, iss, second));
    if (isNoted && this.current === epoch) this.noted.set(iss, Math.max(second, this.noted.get(iss) ?? 0));
    return isNoted;
  }

  private async adopt(): Promise<ReplayEpoch> {
    const epoch = await this.database.transaction((manager) => this.findOrBegin(manager));
    if (epoch.id !== this.current?.id) this.noted.clear();
    this.current = epoch;
    return epoch;
  }

  /** Looked at under the lock: another replica may have begun the new epoch in the meantime. */
  private async findOrBegin(manager: EntityManager): Promise<ReplayEpoch> {
    await rows.lockEpochs(manager);
    const latest = await rows.latestEpoch(manager);
    const { sentinel, life, now, remembers } = await this.store.inspect(SENTINEL);
    if (latest !== null && sentinel === latest.id) {
      const isKnown = await rows.isLifeOf(manager, latest.id, life);
      if (!isKnown && remembers) await rows.addLife(manager, latest.id, life);
      if (isKnown || remembers) return this.withEarlyUses(manager, { ...latest, life });
    }
    const isNewDeployment = latest === null && sentinel === null;
    return this.begin(manager, life, isNewDeployment ? null : now);
  }

  private async begin(manager: EntityManager, life: string, lostAt: number | null): Promise<ReplayEpoch> {
    // A token of this very second may have been used before the loss, hence the next second; the later of two clocks,
    // since the new server's may be behind the old one's.
    const minIssuedAt = lostAt === null ? 0 : Math.floor(Math.max(lostAt, await rows.clock(manager))) + 1;
    const epoch = { id: randomUUID(), minIssuedAt, life };
    await rows.addEpoch(manager, epoch);
    await this.store.set(SENTINEL, epoch.id, null);
    if (lostAt !== null) this.reportLoss(minIssuedAt);
    return this.withEarlyUses(manager, epoch);
  }

  private reportLoss(minIssuedAt: number): void {
    this.losses.inc();
    this.logger.warn('the replay store lost its memory: older subject tokens are refused', { minIssuedAt });
  }

  private async withEarlyUses(
    manager: EntityManager,
    epoch: Omit<ReplayEpoch, 'forgottenEarlyUses'>,
  ): Promise<ReplayEpoch> {
    return { ...epoch, forgottenEarlyUses: await rows.earlyUsesBefore(manager, epoch) };
  }
}

export const isOfEpoch = ({ sentinel, life }: Seen, epoch: ReplayEpoch): boolean =>
  sentinel === epoch.id && life === epoch.life;

/** Whether the token may have been used in a time that the store has forgotten. */
export const mayBeForgotten = (epoch: ReplayEpoch, { iss, iat }: VerifiedSubject): boolean =>
  iat < epoch.minIssuedAt || iat <= (epoch.forgottenEarlyUses.get(iss) ?? -1);
