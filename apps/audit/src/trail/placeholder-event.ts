import { createHash } from 'node:crypto';
import { AUDIT_STREAMS, type AuditStreamName, type CloudEvent, type EventType } from '@countersign/contracts';
import type { UnreadableMessage } from '@countersign/messaging';
import { createEvent, newTrace } from '@countersign/platform';
import { repeatableId } from './own-event';

const printable = (text: string): string => text.replace(/[^\x21-\x7e]/g, '?').slice(0, 256);

/** Two ids must not become one: the second event would be taken for the first. */
const idFor = (id: string): string => (printable(id) === id ? id : createHash('sha256').update(id).digest('base64url'));

/** Stands in the trail where an event could not be stored: that there was one, and nothing that it said. */
export function placeholderFor(event: CloudEvent, time: Date): CloudEvent {
  return {
    specversion: '1.0',
    id: idFor(event.id),
    source: printable(event.source),
    // Of types that this version does not know, anything may stand here.
    type: printable(event.type) as EventType,
    time: time.toISOString(),
    datacontenttype: 'application/json',
    data: { outcome: 'unreadable', reason: 'not_storable' },
  };
}

/**
 * Stands in the trail for a message that is no event: the same one however often it comes. Nothing of what it says,
 * which may be a secret or about a person; its hash tells it apart, and the stream still has it.
 */
export function unreadableEvent(stream: AuditStreamName, message: UnreadableMessage, source: string): CloudEvent {
  const { natsSubject, bytes, storedAt, streamSequence } = message;
  const { name } = AUDIT_STREAMS[stream];
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const found = { stream: name, streamSequence: String(streamSequence), natsSubject, bytes: bytes.length, sha256 };
  const event = createEvent({
    type: 'dev.countersign.audit.unreadable.v1',
    source,
    subject: null,
    data: { outcome: 'unreadable', reason: 'not_an_event', ...found },
    trace: newTrace(),
  });
  return { ...event, id: repeatableId(storedAt, found), time: storedAt.toISOString() };
}
