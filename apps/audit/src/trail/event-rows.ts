import type { CloudEvent, RecordedEvent } from '@countersign/contracts';
import type { EntityManager } from 'typeorm';
import { recordedEvent } from './recorded-event';

export interface EventRow {
  sequence: string;
  event: CloudEvent;
}

export const asRecorded = ({ event, sequence }: EventRow): RecordedEvent => recordedEvent(event, sequence);

export interface Missing {
  webhookId: string;
  since: Date;
  /** Sequence. */
  after: string;
  limit: number;
}

/** Events since a time in the order of the trail, each with whether it was ever queued for the endpoint. */
export async function eventsAfter(
  manager: EntityManager,
  { webhookId, since, after, limit }: Missing,
): Promise<{ event: RecordedEvent; isQueued: boolean }[]> {
  const rows = await manager.query<(EventRow & { isQueued: boolean })[]>(
    `SELECT e.sequence, e.event, d.id IS NOT NULL AS "isQueued" FROM audit.event e
     LEFT JOIN audit.delivery d ON d.webhook_id = $1 AND d.event_id = e.event_id
     WHERE e.time >= $2 AND e.sequence > $3::bigint ORDER BY e.sequence LIMIT $4`,
    [webhookId, since, after, limit],
  );
  return rows.map((row) => ({ event: asRecorded(row), isQueued: row.isQueued }));
}
