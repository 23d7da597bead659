import { Client } from 'pg';
import type { MigrationInterface } from 'typeorm';
import { migrationDataSource, type Class } from './data-sources';

export interface MigrateOptions {
  url: string;
  migrationUrl?: string | undefined;
  schema: string;
  migrations: Class<MigrationInterface>[];
  insertOnly?: string[] | undefined;
  neverUpdated?: string[] | undefined;
  readOnly?: string[] | undefined;
  functions?: string[] | undefined;
}

/**
 * Makes the schema and brings it up to date. Under an advisory lock, so that of replicas that start together one
 * migrates while the others wait; the lock goes with its connection, so that a killed process holds up nobody.
 */
export async function migrate(options: MigrateOptions): Promise<void> {
  const url = options.migrationUrl ?? options.url;
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000, keepAlive: true });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query("SELECT pg_advisory_lock(hashtext('countersign'), hashtext($1))", [options.schema]);
    await createSchema(client, options.schema);
    if (!(await isUpToDate(client, options))) await runMigrations(url, options);
    if (options.migrationUrl !== undefined) await grantUse(client, options);
  } finally {
    await client.end();
  }
}

/** `CREATE SCHEMA IF NOT EXISTS` needs the right to create even where there is nothing to create. */
async function createSchema(client: Client, schema: string): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
  if (rowCount === 0) await client.query(`CREATE SCHEMA ${client.escapeIdentifier(schema)}`);
}

/** Spares a start the second connection; TypeORM's own table, read as TypeORM reads it. */
async function isUpToDate(client: Client, { schema, migrations }: MigrateOptions): Promise<boolean> {
  const table = `${client.escapeIdentifier(schema)}.migrations`;
  const { rows } = await client.query<{ table: string | null }>('SELECT to_regclass($1)::text AS table', [table]);
  if (!rows[0]?.table) return migrations.length === 0;
  const done = await client.query<{ name: string }>(`SELECT name FROM ${table}`);
  const names = new Set(done.rows.map(({ name }) => name));
  return migrations.every((migration) => names.has(new migration().name ?? migration.name));
}

async function runMigrations(url: string, { schema, migrations }: MigrateOptions): Promise<void> {
  const dataSource = migrationDataSource(url, schema, migrations);
  await dataSource.initialize();
  try {
    await dataSource.runMigrations();
  } finally {
    await dataSource.destroy();
  }
}

/** The service's own user reads and writes rows and changes no table; what is insert-only it cannot change either. */
async function grantUse(client: Client, options: MigrateOptions): Promise<void> {
  const { url, schema, insertOnly = [], neverUpdated = [], readOnly = [], functions = [] } = options;
  const user = client.escapeIdentifier(decodeURIComponent(new URL(url).username));
  const name = client.escapeIdentifier(schema);
  await client.query('BEGIN');
  await client.query(`GRANT USAGE ON SCHEMA ${name} TO ${user}`);
  await client.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${name} TO ${user}`);
  await client.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${name} TO ${user}`);
  for (const table of [...insertOnly, 'migrations']) {
    await client.query(`REVOKE UPDATE, DELETE ON ${name}.${client.escapeIdentifier(table)} FROM ${user}`);
  }
  for (const table of neverUpdated) {
    await client.query(`REVOKE UPDATE ON ${name}.${client.escapeIdentifier(table)} FROM ${user}`);
  }
  for (const table of readOnly) {
    await client.query(`REVOKE INSERT, UPDATE, DELETE ON ${name}.${client.escapeIdentifier(table)} FROM ${user}`);
  }
  for (const partition of await partitionsIn(client, schema)) {
    await client.query(`REVOKE ALL ON ${name}.${client.escapeIdentifier(partition)} FROM ${user}`);
  }
  for (const called of functions) {
    await client.query(`GRANT EXECUTE ON FUNCTION ${name}.${client.escapeIdentifier(called)} TO ${user}`);
  }
  await client.query('COMMIT');
}

/** They are reached through their table, with the rights that it gives. */
async function partitionsIn(client: Client, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND relispartition AND relkind = $2',
    [client.escapeIdentifier(schema), 'r'],
  );
  return rows.map(({ name }) => name);
}
