import type { AuditStreamName, CloudEvent } from '@countersign/contracts';
import { byteaArray, jsonbArray, queryPrepared } from '@countersign/postgres';
import { canonicalJson, leafHash } from '@countersign/transparency-log';
import type { EntityManager } from 'typeorm';
import type { StoredForm } from '../personal-data/seal-batch';
import { eventFacts } from './event-facts';
import { recordedEvent } from './recorded-event';

/** An event that the trail does not have yet, and how it is to be stored. */
export interface NewEvent {
  event: CloudEvent;
  form: StoredForm;
  /** Its place in the trail: the next one that is free. */
  sequence: string;
  streamSequence: number;
}

/** What is large goes in binary arrays: as a part of the JSON it would be read twice. */
const TEXT = `
  INSERT INTO audit.event (sequence, event_id, type, time, issuer, subject, outcome, class, reason, roles, trace_id,
    stream, stream_sequence, key_id, event, sealed, leaf)
  SELECT sequence, event_id, type, time, issuer, subject, outcome, class, reason, roles, trace_id,
    $2, stream_sequence, key_id, event, sealed, leaf
  FROM ROWS FROM (
    json_to_recordset($1::json) AS (
      sequence bigint, event_id text, type text, time timestamptz, issuer text, subject text, outcome text, class text,
      reason text, roles text[], trace_id text, stream_sequence bigint, key_id bigint),
    unnest($3::jsonb[]), unnest($4::bytea[]), unnest($5::bytea[])
  ) AS i (sequence, event_id, type, time, issuer, subject, outcome, class, reason, roles, trace_id, stream_sequence,
    key_id, event, sealed, leaf)`;
const INSERT = { name: 'insert-events', text: TEXT };

/**
 * Inserts events, all of them new. What is stored of each is its entry in the log, and the hash of that: made from one
 * text, so that what was hashed is what is there.
 * @throws RangeError for what has no canonical JSON
 */
export async function insertEvents(
  manager: EntityManager,
  stream: AuditStreamName,
  events: readonly NewEvent[],
): Promise<void> {
  const entries = events.map(({ form, sequence }) => canonicalJson(recordedEvent(form.event, sequence)));
  await queryPrepared(manager, INSERT, [
    JSON.stringify(events.map(asFacts)),
    stream,
    jsonbArray(entries),
    byteaArray(events.map(({ form }) => form.sealed)),
    byteaArray(entries.map((entry) => leafHash(entry))),
  ]);
}

function asFacts({ event, form, sequence, streamSequence }: NewEvent): object {
  const { traceId, subject, ...facts } = eventFacts(event);
  return {
    sequence,
    event_id: event.id,
    stream_sequence: streamSequence,
    subject: form.keyId === null ? subject : null,
    key_id: form.keyId,
    trace_id: traceId,
    ...facts,
  };
}
