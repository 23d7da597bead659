import type { EntityManager } from 'typeorm';

/** What `Database.query` does for a statement with a name, within a transaction: each connection plans it once. */
export async function queryPrepared<Row>(
  manager: EntityManager,
  { name, text }: { name: string; text: string },
  values: unknown[] = [],
): Promise<Row[]> {
  const client = (await manager.queryRunner?.connect()) as PreparingClient;
  return (await client.query({ name, text, values })).rows as Row[];
}

/** What we need of a `pg` client; TypeORM would take no name. */
interface PreparingClient {
  query(query: { name: string; text: string; values: unknown[] }): Promise<{ rows: unknown[] }>;
}
