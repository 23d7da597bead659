import { createHash } from 'node:crypto';
import type { PinAnswer } from '@countersign/contracts';
import { pinKey, type RepositoryPin } from '@countersign/policy-engine';
import type { EntityManager } from 'typeorm';

/** A row of `policy.repository_pin`. */
export interface StoredPin extends RepositoryPin {
  /** Grows with each new pin. */
  number: string;
  id: string;
  subject: string;
  traceId: string;
  pinnedAt: Date;
}

export type NewPin = RepositoryPin & Pick<StoredPin, 'subject' | 'traceId'>;

type Queries = Pick<EntityManager, 'query'>;

const COLUMNS = `number, id, iss, path, repository_id AS "repositoryId", owner_id AS "ownerId", subject,
  trace_id AS "traceId", pinned_at AS "pinnedAt"`;

const digest = (pin: Pick<RepositoryPin, 'iss' | 'path'>): string =>
  createHash('sha256').update(pinKey(pin)).digest('hex');

/** Undefined when the repository has a pin already; waits for whoever is making one. */
export async function insertPin(queries: Queries, pin: NewPin): Promise<StoredPin | undefined> {
  const rows = await queries.query<StoredPin[]>(
    `INSERT INTO policy.repository_pin (key, iss, path, repository_id, owner_id, subject, trace_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO NOTHING RETURNING ${COLUMNS}`,
    [digest(pin), pin.iss, pin.path, pin.repositoryId, pin.ownerId, pin.subject, pin.traceId],
  );
  return rows[0];
}

export async function findPin(queries: Queries, place: Pick<RepositoryPin, 'iss' | 'path'>) {
  const sql = `SELECT ${COLUMNS} FROM policy.repository_pin WHERE key = $1`;
  return (await queries.query<StoredPin[]>(sql, [digest(place)]))[0];
}

/** The row that was there; undefined when there was none. */
export async function deletePin(queries: Queries, id: string): Promise<StoredPin | undefined> {
  // TypeORM's manager answers a DELETE with rows and their number.
  const sql = `WITH gone AS (DELETE FROM policy.repository_pin WHERE id = $1 RETURNING *) SELECT ${COLUMNS} FROM gone`;
  return (await queries.query<StoredPin[]>(sql, [id]))[0];
}

/** Changes whenever a pin is made or deleted. */
export async function pinsVersion(queries: Queries): Promise<string> {
  const sql = `SELECT count(*) || '/' || coalesce(max(number), 0) AS version FROM policy.repository_pin`;
  return (await queries.query<{ version: string }[]>(sql))[0]?.version ?? '';
}

export async function allPins(queries: Queries): Promise<RepositoryPin[]> {
  const sql = `SELECT iss, path, repository_id AS "repositoryId", owner_id AS "ownerId" FROM policy.repository_pin`;
  return queries.query<RepositoryPin[]>(sql);
}

export interface PageOfPins {
  repository: string | null;
  /** `number` of the last pin of the page before. */
  before: string | null;
  limit: number;
}

/** Newest first. */
export async function listPins(queries: Queries, { repository, before, limit }: PageOfPins): Promise<StoredPin[]> {
  const sql = `SELECT ${COLUMNS} FROM policy.repository_pin
    WHERE ($1::text IS NULL OR path = $1) AND ($2::bigint IS NULL OR number < $2)
    ORDER BY policy.repository_pin.number DESC LIMIT $3`;
  return queries.query<StoredPin[]>(sql, [repository, before, limit]);
}

export const toAnswer = ({ number: _, path, pinnedAt, ...pin }: StoredPin): PinAnswer => ({
  ...pin,
  repository: path,
  pinnedAt: pinnedAt.toISOString(),
});
