import type { AuditStreamName } from '@countersign/contracts';
import type { StreamedEvent } from '@countersign/messaging';
import { Clock, Logger } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import { AuditDatabase } from '../database';
import { insertDeliveries } from '../deliveries/new-deliveries';
import { enabledEndpoints } from '../webhooks/endpoint-matching';
import { eventFacts } from './event-facts';
import { asRecorded, type EventRow } from './event-rows';
import { isUnstorable, placeholderFor } from './unstorable';

/** A full batch may take longer than a request's statement. */
const BATCH_LIMIT = { limitMs: 10_000 };

const LOCK = `SELECT pg_advisory_xact_lock(hashtext('countersign'), hashtext('audit.event'))`;

const INSERT_EVENTS = `
  WITH incoming AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS i (
      position int, event_id text, type text, time timestamptz, issuer text, subject text, outcome text, class text,
      reason text, roles text[], trace_id text, stream_sequence bigint, event jsonb)
  ), fresh AS (
    SELECT *, row_number() OVER (ORDER BY position) AS number FROM (
      SELECT DISTINCT ON (event_id) * FROM incoming ORDER BY event_id, position
    ) once WHERE NOT EXISTS (SELECT FROM audit.event e WHERE e.event_id = once.event_id)
  )
  INSERT INTO audit.event (sequence, event_id, type, time, issuer, subject, outcome, class, reason, roles, trace_id,
    stream, stream_sequence, event)
  SELECT (SELECT coalesce(max(sequence), 0) FROM audit.event) + number, event_id, type, time, issuer, subject, outcome,
    class, reason, roles, trace_id, $2, stream_sequence, event
  FROM fresh ORDER BY number
  ON CONFLICT (event_id) DO NOTHING
  RETURNING sequence, event`;

/** Writes events into the trail, each once, numbered without a gap, with the deliveries that they cause. */
@Injectable()
export class TrailWriter {
  constructor(
    private readonly database: AuditDatabase,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /**
   * Stores a batch: resolves once it is committed, with how many events were new. One that PostgreSQL cannot hold is
   * replaced by a placeholder with the same id, so that it cannot hold up those behind it.
   * @throws UnavailableError
   */
  async store(stream: AuditStreamName, batch: StreamedEvent[]): Promise<number> {
    try {
      return await this.insert(stream, batch);
    } catch (error) {
      if (!isUnstorable(error)) throw error;
    }
    let stored = 0;
    for (const streamed of batch) stored += await this.storeAlone(stream, streamed);
    return stored;
  }

  private async storeAlone(stream: AuditStreamName, streamed: StreamedEvent): Promise<number> {
    try {
      return await this.insert(stream, [streamed]);
    } catch (error) {
      if (!isUnstorable(error)) throw error;
      const { event, streamSequence } = streamed;
      this.logger.error('an event could not be stored; a placeholder stands for it', { error, stream, streamSequence });
      const placeholder = placeholderFor(event, new Date(this.clock.now()));
      return await this.insert(stream, [{ event: placeholder, streamSequence }]);
    }
  }

  private insert(stream: AuditStreamName, batch: StreamedEvent[]): Promise<number> {
    const rows = JSON.stringify(batch.map(asRow));
    return this.database.transaction(async (manager) => {
      // One writer at a time over all replicas: numbers in the order of commits, without gaps.
      await manager.query(LOCK);
      const inserted = await manager.query<EventRow[]>(INSERT_EVENTS, [rows, stream]);
      if (inserted.length === 0) return 0;
      const events = inserted.map(asRecorded).sort((a, b) => Number(a.sequence) - Number(b.sequence));
      await insertDeliveries(manager, events, await enabledEndpoints(manager), this.clock.now());
      return events.length;
    }, BATCH_LIMIT);
  }
}

function asRow({ event, streamSequence }: StreamedEvent, position: number): Record<string, unknown> {
  const { traceId, ...facts } = eventFacts(event);
  return { ...facts, trace_id: traceId, position, event_id: event.id, stream_sequence: streamSequence, event };
}
