import type { EntityManager } from 'typeorm';

/** What we need of a `pg` client; TypeORM would take no name. */
export interface QueryClient {
  query(query: { name?: string | undefined; text: string; values?: unknown[] }): Promise<{ rows: unknown[] }>;
}

/** What `Database.query` does for a statement with a name, within a transaction: each connection plans it once. */
export async function queryPrepared<Row>(
  manager: EntityManager,
  { name, text }: { name: string; text: string },
  values: unknown[] = [],
): Promise<Row[]> {
  const client = (await manager.queryRunner?.connect()) as QueryClient;
  return (await client.query({ name, text, values })).rows as Row[];
}
