import type { RecordedEvent, WebhookAnswer } from '@countersign/contracts';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditDatabase } from '../database';
import { SubjectKeys } from '../personal-data/subject-keys';
import { asRecorded, EVENT_COLUMNS, type EventRow } from '../trail/event-rows';

/** A delivery taken from the queue; until `leasedUntil` nobody else takes it. */
export interface LeasedDelivery {
  id: string;
  webhookId: string;
  url: string;
  /** The current one, and the one before while it is good too. */
  sealedSecrets: Buffer[];
  /** Null for deliveries from before there were chains. */
  endpointSequence: string | null;
  chainHead: Buffer | null;
  format: WebhookAnswer['format'];
  /** Deliveries name us, as the handshake did. */
  handshake: boolean;
  attemptsMade: number;
  dueAt: Date;
  leasedUntil: Date;
  event: RecordedEvent;
}

/** By endpoint: `room` for more deliveries, and what is `spent` of those that it may get in a second. */
export interface LeaseRequest {
  now: Date;
  leasedUntil: Date;
  most: number;
  /** For endpoints that `room` does not name. */
  usualRoom: number;
  room: ReadonlyMap<string, number>;
  spent: ReadonlyMap<string, number>;
}

interface LeasedRow extends Omit<LeasedDelivery, 'event'> {
  eventSequence: string;
}

/** PostgreSQL takes an array of unknown length for ten: it looks up each by its id, and never reads the whole table. */
const LEASE = `
  WITH due AS (
    SELECT candidate.* FROM audit.webhook_endpoint e
    CROSS JOIN LATERAL (
      SELECT id, next_attempt_at, position FROM audit.delivery
      WHERE webhook_id = e.id AND next_attempt_at <= $1
      ORDER BY next_attempt_at, position
      LIMIT greatest(0, least(
        coalesce(($3::jsonb ->> e.id::text)::int, $2::int),
        e.max_per_second - coalesce(($6::jsonb ->> e.id::text)::int, 0)
      ))
      FOR UPDATE SKIP LOCKED
    ) candidate
    WHERE e.disabled_reason IS NULL
    ORDER BY candidate.next_attempt_at LIMIT $4
  ), leased AS (
    UPDATE audit.delivery SET next_attempt_at = $5 WHERE id = ANY (ARRAY(SELECT id FROM due)) RETURNING *
  )
  SELECT d.id, d.webhook_id AS "webhookId", e.url, e.format, e.handshake,
    CASE WHEN e.previous_secret_expires_at > $1 THEN ARRAY[e.sealed_secret, e.previous_sealed_secret]
      ELSE ARRAY[e.sealed_secret] END AS "sealedSecrets",
    d.endpoint_sequence AS "endpointSequence", d.chain_head AS "chainHead",
    jsonb_array_length(d.attempts) AS "attemptsMade", due.next_attempt_at AS "dueAt",
    d.next_attempt_at AS "leasedUntil", d.event_sequence AS "eventSequence"
  FROM leased d JOIN due ON due.id = d.id JOIN audit.webhook_endpoint e ON e.id = d.webhook_id
  ORDER BY due.next_attempt_at, due.position`;

const EVENTS = `SELECT ${EVENT_COLUMNS} FROM audit.event e WHERE e.sequence = ANY ($1::bigint[])`;

const GIVE_BACK = `
  UPDATE audit.delivery d SET next_attempt_at = r.due_at
  FROM json_to_recordset($1::json) AS r (id uuid, leased_until timestamptz, due_at timestamptz)
  WHERE d.id = r.id AND d.next_attempt_at = r.leased_until`;

/** What is due, taken with a lease. The time is the caller's. */
@Injectable()
export class DeliveryQueue {
  constructor(
    private readonly database: AuditDatabase,
    private readonly keys: SubjectKeys,
  ) {}

  /** Takes what is due, the oldest first, of each endpoint as many as there is room for and as it may get now. */
  async lease({ now, leasedUntil, most, usualRoom, ...counts }: LeaseRequest): Promise<LeasedDelivery[]> {
    const [room, spent] = [counts.room, counts.spent].map((map) => JSON.stringify(Object.fromEntries(map)));
    const ring = await this.keys.ring();
    // Together, so that nothing stays leased whose event could not be read.
    return this.database.transaction(async (manager) => {
      const rows = await manager.query<LeasedRow[]>(LEASE, [now, usualRoom, room, most, leasedUntil, spent]);
      const events = rows.length === 0 ? [] : await eventsOf(manager, rows);
      const shown = new Map(events.map((row) => [row.sequence, asRecorded(row, ring)]));
      return rows.flatMap(({ eventSequence, ...row }) => {
        const event = shown.get(eventSequence);
        return event === undefined ? [] : [{ ...row, event }];
      });
    });
  }

  /** As if they had not been leased; without those whose lease was lost. */
  async giveBack(deliveries: readonly LeasedDelivery[]): Promise<void> {
    if (deliveries.length === 0) return;
    const rows = deliveries.map(({ id, leasedUntil, dueAt }) => ({ id, leased_until: leasedUntil, due_at: dueAt }));
    await this.database.query(GIVE_BACK, [JSON.stringify(rows)]);
  }
}

/** Each once, however many endpoints get it. */
const eventsOf = (manager: EntityManager, rows: readonly LeasedRow[]): Promise<EventRow[]> =>
  manager.query<EventRow[]>(EVENTS, [[...new Set(rows.map(({ eventSequence }) => eventSequence))]]);
