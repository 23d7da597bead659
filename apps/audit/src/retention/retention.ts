import { AuditStream } from '@countersign/messaging';
import { Logger, Metrics } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditConfig } from '../config';
import { AuditDatabase } from '../database';
import { latestCheckpoint } from '../log/checkpoint-rows';
import { keepLeaves } from '../log/tree-rows';
import { ownEvent } from '../trail/own-event';
import {
  beginPartition,
  deleteDeliveries,
  deleteKeys,
  dropPartition,
  duePartition,
  type DuePartition,
} from './retention-rows';

const LOCK = `SELECT pg_try_advisory_xact_lock(hashtext('countersign'), hashtext('audit.retention')) AS locked`;
const STEP_LIMIT = { limitMs: 10_000 };
/** How much longer than it has to an event is kept at most: a part of the time, and a day at least. */
const PARTS = 12;

/** What to do after a step: the next one at once, when the record of a removal is signed for, or at the next look. */
export type AfterStep = 'again' | 'soon' | 'later';

/**
 * Removes what is older than the trail is kept, by partitions and oldest first. That it goes is recorded in the trail
 * before; once a checkpoint signs for the record, the partition is dropped. Hashes and checkpoints stay.
 */
@Injectable()
export class Retention {
  private readonly removed;
  /** The last sequence that we recorded as removed. */
  private recorded = '0';
  /** Keys of subjects up to this one were looked at; null when all were. From the beginning, as we may have died. */
  private keysAfter: string | null = '0';

  constructor(
    private readonly database: AuditDatabase,
    private readonly stream: AuditStream,
    private readonly config: AuditConfig,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    const help = 'Events that retention removed from the trail';
    this.removed = metrics.counter('countersign_audit_removed_total', help, []);
  }

  /** One piece of the work; nothing while another replica is at it. @throws UnavailableError */
  async step(days: number): Promise<AfterStep> {
    return this.database.transaction(async (manager) => {
      const [row] = await manager.query<{ locked: boolean }[]>(LOCK);
      if (row?.locked !== true) return 'later';
      if (await beginPartition(manager, Math.ceil(days / PARTS))) return 'again';
      const due = await duePartition(manager, days);
      if (due === null) return await this.sweepKeys(manager);
      if (due.isAwaited) {
        this.logger.info('old events are kept: some are still to be delivered', { ...due });
        return 'later';
      }
      if (!due.isRecorded) return await this.record(manager, days, due);
      if (await deleteDeliveries(manager, due.last)) return 'again';
      await keepLeaves(manager, Number(due.last));
      await this.drop(manager, days, due);
      return 'again';
    }, STEP_LIMIT);
  }

  private async sweepKeys(manager: EntityManager): Promise<AfterStep> {
    if (this.keysAfter === null) return 'later';
    this.keysAfter = await deleteKeys(manager, this.keysAfter);
    return this.keysAfter === null ? 'later' : 'again';
  }

  private async record(manager: EntityManager, days: number, { first, last }: DuePartition): Promise<AfterStep> {
    if (this.recorded === last) return 'soon';
    const checkpoint = await latestCheckpoint(manager);
    if (checkpoint === null || checkpoint.size < Number(last)) return 'soon';
    const event = ownEvent('dev.countersign.audit.expired.v1', this.config.publicUrl, {
      outcome: 'expired',
      firstSequence: first,
      lastSequence: last,
      retentionDays: days,
      checkpoint: checkpoint.note,
    });
    await this.stream.append('audit', event);
    this.recorded = last;
    return 'soon';
  }

  private async drop(manager: EntityManager, days: number, { first, last }: DuePartition): Promise<void> {
    this.removed.inc(await dropPartition(manager, days));
    this.keysAfter = '0';
    this.logger.info('old events were removed from the trail', { first, last, days });
  }
}
