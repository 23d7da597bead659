import type { RevocationAnswer } from '@countersign/contracts';
import type { EntityManager } from 'typeorm';
import type { ExchangeDatabase } from '../database';
import type { Revocation } from './revocation-matching';

/** All that is revoked, as of one moment; times in epoch seconds, by the database's clock. */
export interface RevokedState {
  now: number;
  revocations: Revocation[];
  /** Tokens revoked one by one since the moment asked for: `jti` and until when to remember it. */
  tokens: { jti: string; expiresAt: number }[];
}

const STATE = `SELECT extract(epoch FROM now())::float8 AS now,
  (SELECT coalesce(json_agg(json_build_object('issuer', issuer, 'role', role, 'claims', claims,
      'createdAt', extract(epoch FROM created_at), 'expiresAt', extract(epoch FROM expires_at))), '[]'::json)
    FROM exchange.revocation WHERE expires_at > now()) AS revocations,
  (SELECT coalesce(json_agg(json_build_object('jti', jti, 'expiresAt', extract(epoch FROM expires_at))), '[]'::json)
    FROM exchange.revoked_token WHERE expires_at > now() AND revoked_at > to_timestamp($1)) AS tokens`;

/** The first time it may be much. */
const WHOLE_LIMIT = { limitMs: 15_000 };

/** One statement, so that all of it is of one moment. `since` in epoch seconds; 0 reads all. */
export async function readState(database: ExchangeDatabase, since: number): Promise<RevokedState> {
  const [state] = await database.query<RevokedState>(STATE, [since], since === 0 ? WHOLE_LIMIT : {});
  if (state === undefined) throw new Error('a SELECT without FROM returned no row');
  return state;
}

/** Whether it was new. `expiresAt` in epoch seconds. */
export async function addRevokedToken(manager: EntityManager, jti: string, expiresAt: number): Promise<boolean> {
  const rows = await manager.query<unknown[]>(
    `INSERT INTO exchange.revoked_token (jti, expires_at) VALUES ($1, to_timestamp($2))
     ON CONFLICT (jti) DO NOTHING RETURNING jti`,
    [jti, expiresAt],
  );
  return rows.length > 0;
}

/** A stored revocation, with its place in the list. */
export interface RevocationRow extends Omit<RevocationAnswer, 'createdAt' | 'expiresAt'> {
  position: string;
  createdAt: Date;
  expiresAt: Date;
}

const COLUMNS = `position, id, issuer, role, claims, reason, author,
  created_at AS "createdAt", expires_at AS "expiresAt"`;

export type NewRevocation = Pick<RevocationAnswer, 'id' | 'issuer' | 'role' | 'claims' | 'reason' | 'author'>;

/**
 * `clock` is ours in epoch milliseconds: the later of the two clocks counts, since tokens are dated by ours. `lifetime`
 * in seconds.
 */
export async function addRevocation(
  manager: EntityManager,
  { id, issuer, role, claims, reason, author }: NewRevocation,
  { clock, lifetime }: { clock: number; lifetime: number },
): Promise<RevocationRow> {
  const [row] = await manager.query<RevocationRow[]>(
    `WITH moment AS (SELECT greatest(clock_timestamp(), to_timestamp($7)) AS at)
     INSERT INTO exchange.revocation (id, issuer, role, claims, reason, author, created_at, expires_at)
     SELECT $1, $2, $3, $4, $5, $6, at, at + make_interval(secs => $8) FROM moment RETURNING ${COLUMNS}`,
    [id, issuer, role, JSON.stringify(claims), reason, author, clock / 1000, lifetime],
  );
  if (row === undefined) throw new Error('an inserted revocation was not returned');
  return row;
}

export async function countRevocations(manager: EntityManager): Promise<number> {
  const sql = 'SELECT count(*)::int AS count FROM exchange.revocation WHERE expires_at > now()';
  const [row] = await manager.query<{ count: number }[]>(sql);
  return row?.count ?? 0;
}

/** Those in force, newest first. */
export function listRevocations(
  database: ExchangeDatabase,
  before: string | null,
  limit: number,
): Promise<RevocationRow[]> {
  return database.query<RevocationRow>(
    `SELECT ${COLUMNS} FROM exchange.revocation WHERE expires_at > now() AND ($1::bigint IS NULL OR position < $1)
     ORDER BY position DESC LIMIT $2`,
    [before, limit],
  );
}

/** The revocation that was deleted; null when none in force has this id. */
export async function deleteRevocation(manager: EntityManager, id: string): Promise<RevocationRow | null> {
  // A SELECT first: what `DELETE … RETURNING` answers through the manager is another shape than rows.
  const sql = `SELECT ${COLUMNS} FROM exchange.revocation WHERE id = $1 AND expires_at > now() FOR UPDATE`;
  const [row] = await manager.query<RevocationRow[]>(sql, [id]);
  if (row === undefined) return null;
  await manager.query('DELETE FROM exchange.revocation WHERE id = $1', [id]);
  return row;
}

/** So many are gone in the time that a statement has. */
const SWEPT_AT_ONCE = 20_000;

/** Deletes what no token can be affected by any more. */
export async function sweepRevocations(database: ExchangeDatabase): Promise<void> {
  const ended = "expires_at < now() - interval '1 hour'";
  await database.query(`DELETE FROM exchange.revocation WHERE ${ended}`);
  await database.query(
    `DELETE FROM exchange.revoked_token WHERE jti IN (
       SELECT jti FROM exchange.revoked_token WHERE ${ended} ORDER BY expires_at LIMIT ${SWEPT_AT_ONCE})`,
  );
}
