import type { EntityManager } from 'typeorm';
import { TRAIL_LOCK } from '../trail/trail-lock';

/** Rows that one step deletes at most. */
const STEP = 1_000;

/** The oldest partition, all of it older than the trail is kept. */
export interface DuePartition {
  first: string;
  last: string;
  /** Some of its events are still to be delivered. */
  isAwaited: boolean;
  /** The trail says under a checkpoint that its events go. */
  isRecorded: boolean;
}

const DUE = `
  SELECT p.first_sequence AS first, n.first_sequence - 1 AS last,
    EXISTS (
      SELECT FROM audit.delivery WHERE next_attempt_at IS NOT NULL AND event_sequence < n.first_sequence
    ) AS "isAwaited",
    audit.is_removal_recorded(n.first_sequence - 1) AS "isRecorded"
  FROM (SELECT * FROM audit.event_partition ORDER BY number LIMIT 1) p
  JOIN audit.event_partition n ON n.number = p.number + 1
  WHERE n.begun_at <= now() - make_interval(days => $1)`;

/** Null when none is old enough. */
export async function duePartition(manager: EntityManager, days: number): Promise<DuePartition | null> {
  const [due] = await manager.query<DuePartition[]>(DUE, [days]);
  return due ?? null;
}

/** Begins a partition when the newest one is so old and holds anything; false when not. */
export async function beginPartition(manager: EntityManager, days: number): Promise<boolean> {
  const [row] = await manager.query<[{ begun: boolean }]>('SELECT audit.begin_partition($1) AS begun', [days]);
  return row.begun;
}

/** Drops the oldest partition; resolves with how many events it had. */
export async function dropPartition(manager: EntityManager, days: number): Promise<number> {
  const [row] = await manager.query<[{ events: string }]>('SELECT audit.drop_partition($1) AS events', [days]);
  return Number(row.events);
}

/** Deletes finished deliveries of events up to `last`, some of them; false when there are none. */
export async function deleteDeliveries(manager: EntityManager, last: string): Promise<boolean> {
  const [deleted] = await manager.query<[unknown[], number]>(
    `DELETE FROM audit.delivery WHERE next_attempt_at IS NULL AND id IN
       (SELECT id FROM audit.delivery WHERE event_sequence <= $1 AND next_attempt_at IS NULL LIMIT ${STEP})
     RETURNING id`,
    [last],
  );
  return deleted.length > 0;
}

/** Deletes keys of subjects without an event, among the next ones after an id; the last id, null when that was all. */
export async function deleteKeys(manager: EntityManager, after: string): Promise<string | null> {
  // Whoever writes events takes their keys under this lock, too.
  await manager.query(TRAIL_LOCK);
  const sql = `SELECT id FROM audit.subject_key WHERE id > $1 ORDER BY id LIMIT ${STEP}`;
  const ids = (await manager.query<{ id: string }[]>(sql, [after])).map(({ id }) => id);
  await manager.query(
    `DELETE FROM audit.subject_key k WHERE id = ANY ($1::bigint[])
       AND NOT EXISTS (SELECT FROM audit.event e WHERE e.key_id = k.id)`,
    [ids],
  );
  return ids.length < STEP ? null : (ids.at(-1) ?? null);
}
