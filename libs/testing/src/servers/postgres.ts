import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCluster, OWNER } from '@countersign/postgres';
import { Client, Pool } from 'pg';
import { freePort, ServerProcess } from './server-process';
import type { TestDisk } from './test-disk';
import { externalServer, serverOn, type TestServer } from './test-server';

// A logger of platform would bring all of Nest into every test that starts a server.
const silent = { info: () => undefined, warn: () => undefined };

/** Runs statements with a connection of its own. */
export async function runSql(url: string, ...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end().catch(() => undefined);
  }
}

export interface PostgresOptions {
  /** Server settings, such as `{ max_connections: '20' }`. */
  settings?: Record<string, string>;
  /** Where its data is. */
  disk?: TestDisk;
}

/**
 * Starts PostgreSQL on a new cluster on the loopback interface, or takes that of COUNTERSIGN_TEST_DATABASE_URL. Its
 * URL is that of a superuser.
 */
export async function startPostgres({ settings = {}, disk }: PostgresOptions = {}): Promise<TestServer> {
  const external = process.env.COUNTERSIGN_TEST_DATABASE_URL;
  if (external !== undefined && disk === undefined) return externalServer(external);
  const folder = await mkdtemp(join(tmpdir(), 'countersign-postgres-'));
  // As root the server runs as another user, who has to get in.
  await chmod(folder, 0o755);
  const cluster = openCluster(disk?.folder ?? folder, false, silent);
  await disk?.bringIn();
  const port = await freePort();
  const url = `postgres://${OWNER}:${cluster.password}@127.0.0.1:${port}/postgres`;
  const all = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    fsync: 'off',
    ...settings,
  };
  const server = new ServerProcess({
    name: 'postgres',
    command: join(cluster.programs, 'postgres'),
    args: ['-D', cluster.data, ...Object.entries(all).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
    probe: () => runSql(url, 'SELECT 1'),
    signalOnParentDeath: 'SIGQUIT',
    stopSignal: 'SIGINT',
    ids: cluster.user.ids,
    disk,
  });
  return serverOn(server, { url, port, cleanUp: () => rm(folder, { recursive: true, force: true }) });
}

/** A new empty database on a server: its URL, and how to drop it. Every suite has its own. */
export async function createTestDatabase(server: { url: string }): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await runSql(server.url, `CREATE DATABASE ${name}`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return {
    url: url.toString(),
    drop: () => runSql(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

/** A pool as the `query` function that the SQL adapters take. */
export function sqlQuery(url: string): {
  query: <Row>(sql: string, parameters: unknown[]) => Promise<Row[]>;
  end(): Promise<void>;
} {
  const pool = new Pool({ connectionString: url, max: 10, connectionTimeoutMillis: 2_000 });
  pool.on('error', () => undefined);
  return {
    query: async <Row>(sql: string, parameters: unknown[]) => (await pool.query(sql, parameters)).rows as Row[],
    end: () => pool.end(),
  };
}
