import type { RecordedEvent } from '@countersign/contracts';
import type { KeyRing } from '../personal-data/key-ring';
import { openEvent, type SealedEvent } from '../personal-data/sealed-event';
import { recordedEvent } from './recorded-event';

/** An `EventRow` of `audit.event e`. */
export const EVENT_COLUMNS = `e.sequence, e.event, e.sealed,
  (SELECT k.sealed_key FROM audit.subject_key k WHERE k.id = e.key_id) AS "sealedKey"`;

export interface EventRow extends SealedEvent {
  sequence: string;
}

/** The event as it is shown. */
export const asRecorded = (row: EventRow, ring: KeyRing): RecordedEvent =>
  recordedEvent(openEvent(row, ring), row.sequence);
