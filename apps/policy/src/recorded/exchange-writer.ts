import { Clock, Logger } from '@countersign/platform';
import { isUnstorable } from '@countersign/postgres';
import { Injectable, Optional } from '@nestjs/common';
import { BATCH_LIMIT, PolicyDatabase } from '../policy-database';
import type { ExchangeAttempt } from './exchange-attempt';
import { exchangeRow } from './exchange-row';
import { RecordBounds } from './record-bounds';

const COLUMNS = `event_id, trace_id, time, family, outcome, class, reason, detail, issuer, subject, unverified, audience,
  resource, scope, narrowed_to, source_ip, roles, policies, statements, revision, decidable`;

/** Claims are most of an exchange. They come beside the rows, a line each: in them, they would be read twice. */
const INSERT = `
  WITH stored AS (
    INSERT INTO policy.recorded_exchanges (${COLUMNS}, claims)
    SELECT ${COLUMNS}, claims FROM ROWS FROM (
      json_to_recordset($1::json) AS (
        event_id text, trace_id text, time timestamptz, family text, outcome text, class text, reason text, detail text,
        issuer text, subject text, unverified json, audience text[], resource text[], scope text, narrowed_to json,
        source_ip text, roles text[], policies text[], statements json, revision integer, decidable boolean),
      unnest(string_to_array($2, E'\\n', 'null')::json[])
    ) AS i (${COLUMNS}, claims)
    ON CONFLICT (event_id) DO NOTHING
    RETURNING 1
  ) SELECT count(*)::int AS count FROM stored`;

/** To plan it costs as much as to write three rows. */
const OPTIONS = { ...BATCH_LIMIT, name: 'record-exchanges' };

/** Writes attempts at exchanges into the record, each once, however often its event comes. */
@Injectable()
export class ExchangeWriter {
  constructor(
    private readonly database: PolicyDatabase,
    private readonly clock: Clock,
    private readonly logger: Logger,
    @Optional() private readonly bounds: RecordBounds = new RecordBounds(),
  ) {}

  /**
   * Resolves once the batch is committed, with how many were new. What has no place in the record any more is passed
   * over.
   * @throws UnavailableError
   */
  async store(batch: ExchangeAttempt[]): Promise<number> {
    const oldest = this.clock.now() - this.bounds.maxAgeMs;
    const kept = batch.filter(({ time }) => time.getTime() >= oldest);
    try {
      return await this.insert(kept);
    } catch (error) {
      if (!isUnstorable(error)) throw error;
    }
    let stored = 0;
    for (const attempt of kept) stored += await this.insertAlone(attempt);
    return stored;
  }

  /** One that PostgreSQL cannot hold must not hold up those behind it; the trail has a placeholder for it. */
  private async insertAlone(attempt: ExchangeAttempt): Promise<number> {
    try {
      return await this.insert([attempt]);
    } catch (error) {
      if (!isUnstorable(error)) throw error;
      this.logger.error('an exchange could not be stored, passed over', { error });
      return 0;
    }
  }

  private async insert(attempts: ExchangeAttempt[]): Promise<number> {
    if (attempts.length === 0) return 0;
    const rows = JSON.stringify(attempts.map(exchangeRow));
    const claims = attempts.map(({ data }) => JSON.stringify(data.claims)).join('\n');
    const [row] = await this.database.query<{ count: number }>(INSERT, [rows, claims], OPTIONS);
    return row?.count ?? 0;
  }
}
