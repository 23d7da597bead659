import type { Database } from '@countersign/postgres';
import type { EntityManager } from 'typeorm';
import { BATCH_LIMIT } from '../policy-database';

/** When an issuer, a role or a statement last had a part in something that was granted. */
export interface Use {
  kind: 'issuer' | 'role' | 'statement';
  /** Of a statement, its policy. */
  name: string;
  /** Of a statement that has one; empty otherwise. */
  sid: string;
  usedAt: Date;
}

type Queries = Pick<EntityManager, 'query'>;

/** Names of documents have no line breaks. */
export const keyOf = ({ kind, name, sid }: Omit<Use, 'usedAt'>): string => `${kind}\n${name}\n${sid}`;

/** Each once, by its key, with its latest time. */
export function latestOf(uses: Iterable<Use>): Map<string, Use> {
  const latest = new Map<string, Use>();
  for (const use of uses) {
    const key = keyOf(use);
    const known = latest.get(key);
    if (known === undefined || known.usedAt < use.usedAt) latest.set(key, use);
  }
  return latest;
}

/** In one order, so that replicas that write the same rows never wait for each other in a ring. */
const WRITE = `
  WITH beginning AS (UPDATE policy.last_use_beginning SET began_at = $5 WHERE began_at > $5::timestamptz)
  INSERT INTO policy.last_use (kind, name, sid, used_at)
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) u(kind, name, sid, used_at)
  ORDER BY kind, name COLLATE "C", sid COLLATE "C"
  ON CONFLICT (kind, name, sid) DO UPDATE SET used_at = excluded.used_at WHERE last_use.used_at < excluded.used_at`;

/** In one statement. The later time stays; `uses` names each once. `earliest`: the record begins then, or before. */
export async function writeUses(database: Database, uses: readonly Use[], earliest: Date | null): Promise<void> {
  const columns = [
    uses.map(({ kind }) => kind),
    uses.map(({ name }) => name),
    uses.map(({ sid }) => sid),
    uses.map(({ usedAt }) => usedAt),
  ];
  await database.query(WRITE, [...columns, earliest], BATCH_LIMIT);
}

export interface KnownUses {
  uses: Use[];
  /** Nothing is known of uses before it. */
  beganAt: Date;
}

export async function readUses(queries: Queries): Promise<KnownUses> {
  const uses = await queries.query<Use[]>('SELECT kind, name, sid, used_at AS "usedAt" FROM policy.last_use');
  const [row] = await queries.query<{ at: Date }[]>('SELECT began_at AS at FROM policy.last_use_beginning');
  return { uses, beganAt: row?.at ?? new Date(0) };
}

/** When each document of now came into being: `kind/name` to its time. */
export async function readCreations(queries: Queries): Promise<Map<string, Date>> {
  const rows = await queries.query<{ kind: string; name: string; at: Date }[]>(
    'SELECT kind, name, created_at AS at FROM policy.document',
  );
  return new Map(rows.map(({ kind, name, at }) => [`${kind}/${name}`, at]));
}
