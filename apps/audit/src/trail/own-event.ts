import { createHash } from 'node:crypto';
import type { CloudEvent, EventType } from '@countersign/contracts';
import { createEvent, newTrace, uuidV7 } from '@countersign/platform';

/** An event that nobody asked for, in a trace of its own, which its data names. `source`: our public URL. */
export function ownEvent(type: EventType, source: string, data: Record<string, unknown>): CloudEvent {
  const trace = newTrace();
  return createEvent({ type, source, subject: null, data: { ...data, traceId: trace.traceId }, trace });
}

/** The id of an event that may be made again: the same for the same time and the same that it says. */
export const repeatableId = (at: Date, said: object): string =>
  uuidV7(at.getTime(), createHash('sha256').update(JSON.stringify(said)).digest());
