import type { DocumentChange, DocumentKind } from '@countersign/contracts';
import type { EntityManager } from 'typeorm';
import { NEWEST, type NewestRevision } from './revision-rows';

export type Owner = 'api' | 'directory';

/** A row of `policy.document`. */
export interface StoredDocument {
  kind: DocumentKind;
  name: string;
  id: string;
  owner: Owner;
  /** As it was given. */
  raw: Record<string, unknown>;
  etag: string;
  revision: number;
  /** The revision since which there is a document of this kind and name. */
  since: number;
}

/** A document to be stored; the row of the same kind and name gives way. */
export interface NewDocument {
  kind: DocumentKind;
  name: string;
  apiVersion: string;
  owner: Owner;
  raw: unknown;
  etag: string;
}

export interface DocumentKey {
  kind: string;
  name: string;
}

type Queries = Pick<EntityManager, 'query'>;

/** A row as it is kept in memory: with the JSON of what was given, which takes least. */
export type DocumentRow = Omit<StoredDocument, 'id' | 'raw'> & { raw: string };

/** The document as it was given. */
export const rawOf = ({ raw }: Pick<DocumentRow, 'raw'>) => JSON.parse(raw) as StoredDocument['raw'];

/** What came after a revision. */
export interface ChangesSince {
  newest: NewestRevision;
  written: DocumentRow[];
  /** Some of them may have been written again. */
  deleted: DocumentKey[];
}

const COLUMNS = 'kind, name, id, owner, raw, etag, revision, since';

/** What one statement sees is one state: the documents are those of the newest revision. 0 is before the first one. */
const CHANGES = `
SELECT r.number AS newest, r."createdAt" AS made, c.*, $1::integer = 0
  OR EXISTS (SELECT FROM policy.revision WHERE number = $1 AND created_at::text = $2) AS known
FROM (${NEWEST}) r LEFT JOIN (
  SELECT kind, name, owner, raw::text AS raw, etag, revision, since FROM policy.document WHERE revision > $1
  UNION ALL
  SELECT NULL, NULL, NULL, changes::text, NULL, number, NULL FROM policy.revision
  WHERE $1 > 0 AND number > $1 AND (summary->>'deleted')::integer > 0
) c ON true
ORDER BY c.kind, c.name`;

/** All documents may be many; everything else keeps to the usual limit of a statement. */
export const READ_LIMIT = { limitMs: 5_000 };

/** A document, or with `kind` null the changes of a revision that deleted some; PostgreSQL reads no NUL in them. */
type ChangeRow = { newest: number; made: string; known: boolean } & (DocumentRow | { kind: null; raw: string | null });

/** null: that revision, made at that time, is not among those of the database. */
export async function changesSince(queries: Queries, base: NewestRevision): Promise<ChangesSince | null> {
  const rows = await queries.query<ChangeRow[]>(CHANGES, [base.number, base.createdAt]);
  const [first] = rows;
  if (first?.known !== true) return null;
  const written = rows.filter((row) => row.kind !== null);
  const revisions = rows.flatMap((row) => (row.kind === null && row.raw !== null ? [row.raw] : []));
  const deleted = revisions.flatMap((changes) => deletedIn(JSON.parse(changes) as DocumentChange[]));
  return { newest: { number: first.newest, createdAt: first.made }, written, deleted };
}

const deletedIn = (changes: DocumentChange[]): DocumentKey[] => changes.filter(({ action }) => action === 'deleted');

export async function findDocument(queries: Queries, { kind, name }: DocumentKey): Promise<StoredDocument | undefined> {
  const sql = `SELECT ${COLUMNS} FROM policy.document WHERE kind = $1 AND name = $2`;
  const [row] = await queries.query<StoredDocument[]>(sql, [kind, name]);
  return row;
}

export interface PageOfDocuments {
  kind: string | null;
  /** Kind and name of the last document of the page before. */
  after: readonly [kind: string, name: string] | null;
  limit: number;
}

export async function listDocuments(queries: Queries, { kind, after, limit }: PageOfDocuments) {
  return queries.query<StoredDocument[]>(
    `SELECT ${COLUMNS} FROM policy.document
     WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR (kind, name) > ($2, $3))
     ORDER BY kind, name LIMIT $4`,
    [kind, after?.[0] ?? null, after?.[1] ?? null, limit],
  );
}

const LOCK_KEY = 7_310_401;

/** One change of the documents at a time, over all replicas, until the end of the transaction. */
export async function lockDocuments(queries: Queries): Promise<void> {
  await queries.query('SELECT pg_advisory_xact_lock($1)', [LOCK_KEY]);
}

/** Text of a `json` column keeps the order of members; a NUL escape is fine there, unlike in jsonb. */
export async function writeDocuments(queries: Queries, documents: NewDocument[], revision: number): Promise<void> {
  if (documents.length === 0) return;
  await queries.query(
    `INSERT INTO policy.document (kind, name, api_version, owner, raw, etag, revision, since)
     SELECT t.*, $7::integer, $7::integer FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::json[], $6::text[]) t
     ON CONFLICT (kind, name) DO UPDATE SET api_version = excluded.api_version, owner = excluded.owner,
       raw = excluded.raw, etag = excluded.etag, revision = excluded.revision, updated_at = now()`,
    [
      documents.map(({ kind }) => kind),
      documents.map(({ name }) => name),
      documents.map(({ apiVersion }) => apiVersion),
      documents.map(({ owner }) => owner),
      documents.map(({ raw }) => JSON.stringify(raw)),
      documents.map(({ etag }) => etag),
      revision,
    ],
  );
}

export async function deleteDocuments(queries: Queries, keys: DocumentKey[]): Promise<void> {
  if (keys.length === 0) return;
  await queries.query(
    `DELETE FROM policy.document d USING unnest($1::text[], $2::text[]) k(kind, name)
     WHERE d.kind = k.kind AND d.name = k.name`,
    [keys.map(({ kind }) => kind), keys.map(({ name }) => name)],
  );
}
