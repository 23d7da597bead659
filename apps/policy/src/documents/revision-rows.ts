import type { DocumentChange, RevisionAnswer, RevisionDetailAnswer } from '@countersign/contracts';
import type { EntityManager } from 'typeorm';

export interface NewRevision {
  author: string;
  source: 'api' | 'directory';
  restoredFrom: number | null;
  changes: DocumentChange[];
}

type Queries = Pick<EntityManager, 'query'>;
type RevisionRow = Omit<RevisionAnswer, 'createdAt'> & { createdAt: Date };

const COLUMNS =
  'number AS revision, created_at AS "createdAt", author, source, restored_from AS "restoredFrom", summary';

const toAnswer = (row: RevisionRow): RevisionAnswer => ({ ...row, createdAt: row.createdAt.toISOString() });

/** How many documents were created, updated and deleted. */
export function summarise(changes: Pick<DocumentChange, 'action'>[]): RevisionAnswer['summary'] {
  const count = (wanted: DocumentChange['action']): number => changes.filter(({ action }) => action === wanted).length;
  return { created: count('created'), updated: count('updated'), deleted: count('deleted') };
}

/** Draws the next number; only under the lock of the documents is it the newest at commit, too. */
export async function insertRevision(queries: Queries, revision: NewRevision): Promise<number> {
  const { author, source, restoredFrom, changes } = revision;
  const rows = await queries.query<{ number: number }[]>(
    `INSERT INTO policy.revision (author, source, restored_from, summary, changes)
     VALUES ($1, $2, $3, $4, $5) RETURNING number`,
    [author, source, restoredFrom, JSON.stringify(summarise(changes)), JSON.stringify(changes)],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('INSERT … RETURNING gave no row');
  return row.number;
}

/** The newest revision; after a restore from a backup the same number may come again, the time does not. */
export interface NewestRevision {
  /** 0 before the first one. */
  number: number;
  createdAt: string;
}

export const NEWEST = `
SELECT coalesce(newest.number, 0) AS number, coalesce(newest.created_at::text, '') AS "createdAt"
FROM (VALUES (true)) one LEFT JOIN (SELECT * FROM policy.revision ORDER BY number DESC LIMIT 1) newest ON true`;

export async function newestRevision(queries: Queries): Promise<NewestRevision> {
  const [row] = await queries.query<NewestRevision[]>(NEWEST);
  if (row === undefined) throw new Error('an outer join gave no row');
  return row;
}

/** Newest first, older than `before`. */
export async function listRevisions(queries: Queries, before: number | null, limit: number): Promise<RevisionAnswer[]> {
  const sql = `SELECT ${COLUMNS} FROM policy.revision WHERE $1::integer IS NULL OR number < $1
    ORDER BY number DESC LIMIT $2`;
  return (await queries.query<RevisionRow[]>(sql, [before, limit])).map(toAnswer);
}

export async function findRevision(queries: Queries, number: number): Promise<RevisionDetailAnswer | undefined> {
  const sql = `SELECT ${COLUMNS}, changes FROM policy.revision WHERE number = $1`;
  const [row] = await queries.query<(RevisionRow & { changes: DocumentChange[] })[]>(sql, [number]);
  if (row === undefined) return undefined;
  const { changes, ...revision } = row;
  return { ...toAnswer(revision), diff: changes };
}

/** Of one answer; a revision may hold a thousand documents, before and after. */
const CHANGES_BATCH = 20;

/** The changes of some revisions, newest first, from `number` backwards. */
export async function changesUpTo(
  queries: Queries,
  number: number,
): Promise<{ revision: number; changes: DocumentChange[] }[]> {
  const sql = `SELECT number AS revision, changes FROM policy.revision WHERE number <= $1
    ORDER BY number DESC LIMIT ${CHANGES_BATCH}`;
  return queries.query<{ revision: number; changes: DocumentChange[] }[]>(sql, [number]);
}
