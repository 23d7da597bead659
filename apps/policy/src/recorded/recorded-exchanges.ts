import { Injectable } from '@nestjs/common';
import { PolicyDatabase } from '../policy-database';
import { ASKED_COLUMNS, COLUMNS, type AskedExchange, type RecordedExchange } from './recorded-exchange';

const BATCH = 1_000;
/** Attempts that one trace can show: a caller may send the same `traceparent` for ever. */
const MOST_OF_A_TRACE = 50;
/** Of one read of a batch, over many rows. */
const READ_LIMIT = { limitMs: 5_000 };

/** Both ends count. */
export interface TimeRange {
  from: Date;
  to: Date;
}

/** Policy's own record of the attempts at exchanges of the last 90 days, written by RecordExchanges. */
@Injectable()
export class RecordedExchanges {
  constructor(private readonly database: PolicyDatabase) {}

  /** Newest first; at most 50. @throws UnavailableError */
  async findByTraceId(traceId: string): Promise<RecordedExchange[]> {
    const sql = `SELECT ${COLUMNS} FROM policy.recorded_exchanges WHERE trace_id = $1
      ORDER BY time DESC, event_id DESC LIMIT ${MOST_OF_A_TRACE}`;
    return this.database.query<RecordedExchange>(sql, [traceId]);
  }

  /** @throws UnavailableError */
  async findByEventId(eventId: string): Promise<RecordedExchange | null> {
    const sql = `SELECT ${COLUMNS} FROM policy.recorded_exchanges WHERE event_id = $1`;
    const [row] = await this.database.query<RecordedExchange>(sql, [eventId]);
    return row ?? null;
  }

  /** Those that can be decided again, oldest first, in batches of 1,000. @throws UnavailableError */
  async *askedWithin(
    { from, to }: TimeRange,
    outcome: RecordedExchange['outcome'] | null = null,
  ): AsyncGenerator<AskedExchange[], void, void> {
    const sql = `SELECT ${ASKED_COLUMNS} FROM policy.recorded_exchanges
      WHERE decidable AND (time, event_id) > ($1, $2) AND time >= $1 AND time <= $3
        AND ($4::text IS NULL OR outcome = $4)
      ORDER BY time, event_id LIMIT ${BATCH}`;
    // A server that hangs is found out within a second, and not by the long statements.
    await this.database.ping();
    const read = (time: Date, eventId: string): Promise<AskedExchange[]> =>
      this.database.query<AskedExchange>(sql, [time, eventId, to, outcome], READ_LIMIT);
    let next = read(from, '');
    for (;;) {
      const rows = await next;
      const last = rows.at(-1);
      if (last === undefined) return;
      const isLast = rows.length < BATCH;
      // Read while the caller is at work on this one; whoever stops early never hears of its failure.
      if (!isLast) (next = read(last.time, last.eventId)).catch(() => undefined);
      yield rows;
      if (isLast) return;
    }
  }

  /** How many attempts of the range can be decided again, and how many cannot. @throws UnavailableError */
  async count({ from, to }: TimeRange): Promise<{ decidable: number; undecidable: number }> {
    const sql = `SELECT
      (SELECT count(*)::int FROM policy.recorded_exchanges WHERE decidable AND time >= $1 AND time <= $2) AS decidable,
      (SELECT count(*)::int FROM policy.recorded_exchanges WHERE NOT decidable AND time >= $1 AND time <= $2)
        AS undecidable`;
    const [row] = await this.database.query<{ decidable: number; undecidable: number }>(sql, [from, to], READ_LIMIT);
    return row ?? { decidable: 0, undecidable: 0 };
  }
}
