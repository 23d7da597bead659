import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqlAuditStream, type StreamedEvent } from '@countersign/messaging';
import { createEvent, Logger, newTrace } from '@countersign/platform';
import { EmbeddedPostgres } from '@countersign/postgres';
import { SqlExpiringStore } from '@countersign/redis';
import { Recorder, sqlQuery } from '@countersign/testing';
import { EmbeddedDatabase } from './embedded-database';

const FEW = 60;
const MANY = 20_000;
const ROUNDS = 20;
const TYPE = 'dev.countersign.exchange.granted.v1';
const SENTINEL = 'cs:sentinel';

const logger = new Logger('test', 'silent');
const folder = mkdtempSync(join(tmpdir(), 'embedded-'));
const server = new EmbeddedPostgres({ dataDir: join(folder, 'postgres'), logger, durable: false });
let url: string;
let database: EmbeddedDatabase;
let store: SqlExpiringStore;
let stream: SqlAuditStream;

beforeAll(async () => {
  chmodSync(folder, 0o755);
  ({ url } = await server.start());
  database = new EmbeddedDatabase({ url, logger });
  await database.whenReady();
  store = new SqlExpiringStore({ query: database.prepared });
  stream = new SqlAuditStream({ query: database.prepared, logger });
});

async function close(): Promise<void> {
  await stream.close();
  await store.close();
  await database.close();
}

afterAll(async () => {
  await close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const END = 4_000_000_000;
let used = 0;

async function useTwins(): Promise<void> {
  used += 1;
  await store.reserve(`cs:used:${used}`, 'x', END, SENTINEL);
  const event = createEvent({
    type: TYPE,
    source: 'https://sts.example',
    subject: null,
    data: { used },
    trace: newTrace(),
  });
  await stream.append('audit', event);
}

/** So many keys, and events, that nobody asks for. */
async function fill(rows: number): Promise<void> {
  await database.query(`INSERT INTO embedded.expiring_key
    SELECT 'cs:old:' || ${rows} || n, 'x', ${END} FROM generate_series(1, ${rows}) n`);
  await database.query(`INSERT INTO embedded.stream_event
    SELECT 'audit', n - ${2 * MANY}, 'old' || n, '{}' FROM generate_series(${rows}, ${2 * rows - 1}) n`);
}

/** Rows of the tables that statements looked at, by scans of tables and of indexes. */
const LOOKED_AT = `SELECT sum(coalesce(seq_tup_read, 0) + coalesce((
    SELECT sum(idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid), 0))::int AS rows
  FROM pg_stat_user_tables t WHERE schemaname = 'embedded'`;

it('each connection plans a text once', async () => {
  await database.prepared('SELECT $1::int AS one', [1]);
  await database.prepared('SELECT $1::int AS one', [2]);
  const [kept] = await database.query<{ times: number }>(
    `SELECT count(*)::int AS times FROM pg_prepared_statements WHERE statement = 'SELECT $1::int AS one'`,
  );
  expect(kept?.times).toBe(1);
});

it('statements that were planned on small tables look at few rows of large ones', async () => {
  await Promise.all([store.prepare(), stream.prepare()]);
  await fill(FEW);
  await database.query('ANALYZE');
  const handled = new Recorder<StreamedEvent>();
  stream.consume({
    stream: 'audit',
    durable: 'reader',
    batchSize: 50,
    handler: async (batch) => handled.add(...batch),
  });
  await useTwins();
  await handled.atLeast(1);
  await fill(MANY);
  for (let round = 0; round < ROUNDS; round++) await useTwins();
  await handled.atLeast(1 + ROUNDS);
  // A server counts for good when a connection ends.
  await close();
  const statistics = sqlQuery(url);
  const [looked] = await statistics.query<{ rows: number }>(LOOKED_AT, []);
  await statistics.end();
  expect(looked?.rows).toBeGreaterThan(ROUNDS);
  expect(looked?.rows).toBeLessThan(MANY);
});
