import { cloudEventSchema, type CloudEvent } from '@countersign/contracts';
import { z } from 'zod';

/** Far more than anybody of us puts into a message: a longer list is no list of events. */
const MOST_IN_A_MESSAGE = 1_000;

/** A type that this version does not know yet is delivered too: during an upgrade the new comes before the old goes. */
const looseEvent = cloudEventSchema.extend({ type: z.string() });

/** What a message has in one place: an event, or the bytes of what is none. */
export type Unpacked = { event: CloudEvent } | { unreadable: Uint8Array };

/** One event, or each of a list (the JSON batch format of CloudEvents); each is judged by itself. Never empty. */
export function unpackEvents(bytes: Uint8Array): Unpacked[] {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    return [{ unreadable: bytes }];
  }
  if (!Array.isArray(json)) return [eventOf(json) ?? { unreadable: bytes }];
  if (json.length === 0 || json.length > MOST_IN_A_MESSAGE) return [{ unreadable: bytes }];
  return json.map((item: unknown) => eventOf(item) ?? { unreadable: Buffer.from(asText(item)) });
}

function eventOf(json: unknown): Unpacked | undefined {
  const parsed = looseEvent.safeParse(json);
  return parsed.success ? { event: parsed.data as CloudEvent } : undefined;
}

/** Of an item that was nested too deep to be written again nothing is left. */
function asText(item: unknown): string {
  try {
    return JSON.stringify(item);
  } catch {
    return '';
  }
}
