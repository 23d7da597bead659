import type { AuditStreamName, CloudEvent, RecordedEvent } from '@countersign/contracts';
import type { StreamedEvent } from '@countersign/messaging';
import { Clock, Logger } from '@countersign/platform';
import { isUnstorable } from '@countersign/postgres';
import { Injectable } from '@nestjs/common';
import { AuditDatabase } from '../database';
import { insertDeliveries } from '../deliveries/new-deliveries';
import { sealBatch, type StoredForm } from '../personal-data/seal-batch';
import { SubjectKeys } from '../personal-data/subject-keys';
import { enabledEndpoints } from '../webhooks/endpoint-matching';
import { eventFacts } from './event-facts';
import { recordedEvent } from './recorded-event';
import { placeholderFor } from './placeholder-event';
import { noteSeen } from './stream-progress';
import { TRAIL_LOCK } from './trail-lock';

/** More than any event of ours has. PostgreSQL would hold what is too deep to be hashed, and the log would end there. */
const MOST_LEVELS = 64;
/** A full batch may take longer than a request's statement. */
const BATCH_LIMIT = { limitMs: 10_000 };

const INSERT_EVENTS = `
  WITH incoming AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS i (
      position int, event_id text, type text, time timestamptz, issuer text, subject text, outcome text, class text,
      reason text, roles text[], trace_id text, stream_sequence bigint, event jsonb, sealed text, key_id bigint)
  ), fresh AS (
    SELECT *, row_number() OVER (ORDER BY position) AS number FROM (
      SELECT DISTINCT ON (event_id) * FROM incoming ORDER BY event_id, position
    ) once WHERE NOT EXISTS (SELECT FROM audit.event e WHERE e.event_id = once.event_id)
  )
  INSERT INTO audit.event (sequence, event_id, type, time, issuer, subject, outcome, class, reason, roles, trace_id,
    stream, stream_sequence, event, sealed, key_id)
  SELECT (SELECT coalesce(max(sequence), 0) FROM audit.event) + number, event_id, type, time, issuer, subject, outcome,
    class, reason, roles, trace_id, $2, stream_sequence, event,
    decode(sealed, 'base64'), key_id
  FROM fresh ORDER BY number
  RETURNING sequence, event_id AS "eventId"`;

/** Writes events into the trail, each once, numbered without a gap, with the deliveries that they cause. */
@Injectable()
export class TrailWriter {
  constructor(
    private readonly database: AuditDatabase,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly keys: SubjectKeys,
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

  private async insert(stream: AuditStreamName, batch: StreamedEvent[]): Promise<number> {
    const [keys, ring] = [this.keys, await this.keys.ring()];
    return this.database.transaction(async (manager) => {
      await manager.query(TRAIL_LOCK);
      const events = batch.map(({ event }) => event);
      events.forEach((event) => refuseTooDeep(event, MOST_LEVELS));
      const forms = await sealBatch(manager, { keys, ring }, events);
      const rows = JSON.stringify(batch.map((streamed, position) => asRow(streamed, forms[position], position)));
      const inserted = await manager.query<Inserted[]>(INSERT_EVENTS, [rows, stream]);
      // Also of those that the trail had already: they came.
      await noteSeen(
        manager,
        stream,
        batch.map(({ streamSequence }) => streamSequence),
      );
      if (inserted.length === 0) return 0;
      await insertDeliveries(manager, inOrder(inserted, events), await enabledEndpoints(manager), this.clock.now());
      return inserted.length;
    }, BATCH_LIMIT);
  }
}

interface Inserted {
  sequence: string;
  eventId: string;
}

/** The new ones as they came, in their order in the trail. */
function inOrder(inserted: readonly Inserted[], events: readonly CloudEvent[]): RecordedEvent[] {
  // Of two with one id the first is stored.
  const byId = new Map(events.toReversed().map((event) => [event.id, event]));
  return inserted
    .toSorted((a, b) => Number(a.sequence) - Number(b.sequence))
    .flatMap(({ eventId, sequence }) => {
      const event = byId.get(eventId);
      return event === undefined ? [] : [recordedEvent(event, sequence)];
    });
}

/** @throws RangeError */
function refuseTooDeep(value: unknown, levels: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (levels === 0) throw new RangeError(`more than ${MOST_LEVELS} levels`);
  for (const member of Object.values(value)) refuseTooDeep(member, levels - 1);
}

function asRow({ event, streamSequence }: StreamedEvent, form: StoredForm | undefined, position: number): object {
  const { traceId, subject, ...facts } = eventFacts(event);
  return {
    ...{ ...facts, trace_id: traceId, position, event_id: event.id, stream_sequence: streamSequence },
    subject: form?.keyId ? null : subject,
    event: form?.event,
    sealed: form?.sealed?.toString('base64') ?? null,
    key_id: form?.keyId ?? null,
  };
}
