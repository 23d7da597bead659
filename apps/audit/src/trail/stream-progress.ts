import type { AuditStreamName } from '@countersign/contracts';
import type { StreamProgress } from '@countersign/messaging';
import { queryPrepared } from '@countersign/postgres';
import type { EntityManager } from 'typeorm';

/** Numbers of a stream, both included; as text, since they are 64 bits wide. */
export interface Gap {
  from: string;
  to: string;
}

/** What the trail knows of a stream. */
export interface KnownProgress {
  /** Of the stream as it was at the last look; null before the first. */
  createdAt: Date | null;
  /** The highest number that came; 0 while there is none. */
  highest: string;
  settledAt: Date | null;
}

const NOTE_SEEN = {
  name: 'note-seen',
  text: `
  INSERT INTO audit.stream_progress AS p (stream, seen)
  SELECT $1, range_agg(int8range(number, number, '[]')) FROM unnest($2::bigint[]) number
  ON CONFLICT (stream) DO UPDATE SET seen = p.seen + excluded.seen, missing = p.missing - excluded.seen`,
};

const TAKE = `
  SELECT created_at AS "createdAt", coalesce(upper(seen) - 1, 0) AS highest, settled_at AS "settledAt"
  FROM audit.stream_progress WHERE stream = $1 FOR UPDATE`;

const GAPS = `
  SELECT lower(gap) AS from, upper(gap) - 1 AS to FROM audit.stream_progress,
    unnest(int8multirange(int8range(1, settled + 1)) - seen - missing) gap
  WHERE stream = $1 ORDER BY 1 LIMIT $2`;

const SETTLE = `
  UPDATE audit.stream_progress SET created_at = $2, settled = $3, settled_at = $4 WHERE stream = $1`;

const BEGIN_AGAIN = `
  UPDATE audit.stream_progress SET created_at = $2, seen = int8multirange(int8range(1, $3::bigint + 1)), missing = '{}',
    settled = NULL, settled_at = NULL
  WHERE stream = $1`;

/** Notes numbers of a stream that are in the trail once this transaction commits. */
export async function noteSeen(manager: EntityManager, stream: AuditStreamName, numbers: number[]): Promise<void> {
  await queryPrepared(manager, NOTE_SEEN, [stream, numbers]);
}

/** What is known, kept from changing until the transaction ends: no batch commits meanwhile. */
export async function takeProgress(manager: EntityManager, stream: AuditStreamName): Promise<KnownProgress> {
  await manager.query('INSERT INTO audit.stream_progress (stream) VALUES ($1) ON CONFLICT DO NOTHING', [stream]);
  const [row] = await manager.query<[KnownProgress]>(TAKE, [stream]);
  return row;
}

/** What should have come, did not, and was not reported; the lowest first. */
export const unreportedGaps = (manager: EntityManager, stream: AuditStreamName, most: number): Promise<Gap[]> =>
  manager.query<Gap[]>(GAPS, [stream, most]);

export async function noteMissing(manager: EntityManager, stream: AuditStreamName, { from, to }: Gap): Promise<void> {
  const sql = `UPDATE audit.stream_progress
    SET missing = missing + int8multirange(int8range($2, $3, '[]')) WHERE stream = $1`;
  await manager.query(sql, [stream, from, to]);
}

/** Of what is settled now, nothing may be missing at a later look. */
export async function settle(
  manager: EntityManager,
  stream: AuditStreamName,
  { createdAt, settled }: StreamProgress,
  at: Date,
): Promise<void> {
  await manager.query(SETTLE, [stream, createdAt, settled, at]);
}

/** For another stream of the same name: what it handed out until now is taken for seen. */
export async function beginAgain(
  manager: EntityManager,
  stream: AuditStreamName,
  { createdAt, delivered }: StreamProgress,
): Promise<void> {
  await manager.query(BEGIN_AGAIN, [stream, createdAt, delivered]);
}

/** How many numbers of the stream are missing. */
export async function countMissing(manager: EntityManager, stream: AuditStreamName): Promise<number> {
  const sql = `SELECT coalesce(sum(upper(gap) - lower(gap)), 0) AS count
    FROM audit.stream_progress, unnest(missing) gap WHERE stream = $1`;
  const [row] = await manager.query<[{ count: string }]>(sql, [stream]);
  return Number(row.count);
}
