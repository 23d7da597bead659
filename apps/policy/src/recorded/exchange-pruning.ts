import { Clock, Logger, Schedule } from '@countersign/platform';
import { Injectable, Optional, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { PolicyDatabase } from '../policy-database';
import type { Family } from './exchange-row';
import { RecordBounds } from './record-bounds';

/** Few enough that nobody waits for their locks. */
const CHUNK = 2_000;
/** A count over the index of a family. */
const CUT_LIMIT = { limitMs: 10_000 };

const SURPLUS = `SELECT time FROM policy.recorded_exchanges WHERE family = $1
  ORDER BY time DESC OFFSET $2 LIMIT 1`;

const DELETE = `
  WITH gone AS (
    DELETE FROM policy.recorded_exchanges WHERE event_id = ANY (ARRAY(
      SELECT event_id FROM policy.recorded_exchanges WHERE family = $1 AND time <= $2 ORDER BY time LIMIT ${CHUNK}
    )) RETURNING 1
  ) SELECT count(*)::int AS count FROM gone`;

/** Keeps the record of exchanges within its bounds. Replicas may do it at once. */
@Injectable()
export class ExchangePruning implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly pruning = new Schedule(() => this.tryToPrune().then(() => this.bounds.pruneEveryMs));

  constructor(
    private readonly database: PolicyDatabase,
    private readonly clock: Clock,
    private readonly logger: Logger,
    @Optional() private readonly bounds: RecordBounds = new RecordBounds(),
  ) {}

  onApplicationBootstrap(): void {
    this.database.whenReady().then(
      () => this.pruning.start(0),
      () => undefined,
    );
  }

  onModuleDestroy(): Promise<void> {
    return this.pruning.stop();
  }

  /** Deletes what is too old, and the oldest of what is too much; resolves with how many. @throws UnavailableError */
  async prune(): Promise<number> {
    let deleted = 0;
    for (const [family, most] of Object.entries(this.bounds.most) as [Family, number][]) {
      const [surplus] = await this.database.query<{ time: Date }>(SURPLUS, [family, most], CUT_LIMIT);
      const tooOld = this.clock.now() - this.bounds.maxAgeMs;
      deleted += await this.deleteUntil(family, new Date(Math.max(tooOld, surplus?.time.getTime() ?? tooOld)));
    }
    return deleted;
  }

  private async deleteUntil(family: Family, cut: Date): Promise<number> {
    let deleted = 0;
    for (;;) {
      const [row] = await this.database.query<{ count: number }>(DELETE, [family, cut], CUT_LIMIT);
      deleted += row?.count ?? 0;
      if (this.pruning.isStopping || (row?.count ?? 0) < CHUNK) return deleted;
    }
  }

  private async tryToPrune(): Promise<void> {
    try {
      const deleted = await this.prune();
      if (deleted > 0) this.logger.info('recorded exchanges pruned', { deleted });
    } catch (error) {
      this.logger.warn('recorded exchanges not pruned', { reason: String(error) });
    }
  }
}
