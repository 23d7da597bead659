import { AUDIT_STREAMS } from '@countersign/contracts';
import { connectNats, NatsAuditStream, provisionStreams, type ConsumeOptions } from '@countersign/messaging';
import { Logger, UnavailableError } from '@countersign/platform';
import {
  diskRefusal,
  eventually,
  runSql,
  startNats,
  startPostgres,
  TestDisk,
  testUnless,
  type TestServer,
} from '@countersign/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { eventIds, exchangeEvent, startAudit, undoneAfterEach, until, type AuditUnderTest } from '../audit.fixture';

const silent = new Logger('test', 'silent');
const refusal = diskRefusal('tmpfs');
const PLENTY = 100_000_000;
const FIRST = 10;
/** A few tries of a batch, with their pauses, on a busy machine. */
const PATIENCE_MS = 120_000;

/** Remembers why batches were not taken. */
class WatchedStream extends NatsAuditStream {
  readonly failures: unknown[] = [];
  override consume(options: ConsumeOptions): void {
    const handler: ConsumeOptions['handler'] = (batch) =>
      options.handler(batch).catch((error: unknown) => {
        this.failures.push(error);
        throw error;
      });
    super.consume({ ...options, handler });
  }
}

let disk: TestDisk;
let postgres: TestServer;
let nats: TestServer;
let audit: AuditUnderTest;
let stream: WatchedStream;
let publisher: NatsAuditStream;
let published: string[];
const undo = undoneAfterEach();

const openLink = () => connectNats({ url: nats.url, service: 'test', logger: silent });

async function start(): Promise<void> {
  disk = await TestDisk.make('tmpfs');
  undo.push(() => disk.remove());
  postgres = await startPostgres({ disk });
  undo.push(() => postgres.stop());
  nats = await startNats();
  undo.push(() => nats.stop());
  const link = openLink();
  await provisionStreams(link, { replicas: 1 });
  stream = new WatchedStream(link, silent);
  audit = await startAudit(postgres, {}, { stream });
  undo.push(() => audit.stop());
  publisher = new NatsAuditStream(openLink(), silent);
  undo.push(() => publisher.close());
  published = [];
  await record(FIRST);
  await until('the first in the trail', async () => (await eventIds(audit)).length === FIRST);
}

/** One after the other, so that each has a message; resolves when JetStream has acknowledged them. */
async function record(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) {
    const event = exchangeEvent();
    await eventually(() => publisher.append('audit', event));
    published.push(event.id);
  }
}

/** What JetStream keeps for audit, in messages. */
async function backlog(): Promise<number> {
  const connection = await connect({ servers: nats.url });
  try {
    const manager = await jetstreamManager(connection);
    const { num_pending, num_ack_pending } = await manager.consumers.info(AUDIT_STREAMS.audit.name, 'audit');
    return num_pending + num_ack_pending;
  } finally {
    await connection.close();
  }
}

/** The answer of the driver that a failure came from. */
const driverError = (error: unknown): { code?: string; severity?: string } =>
  error instanceof UnavailableError
    ? driverError(error.cause)
    : ((error as { driverError?: object }).driverError ?? (error as object));
const codes = (): unknown[] => stream.failures.map((error) => driverError(error).code);

async function expectAllStoredOnce(): Promise<void> {
  const stored = await eventually(async () => {
    const ids = await eventIds(audit);
    expect(new Set(ids)).toEqual(new Set([...ids, ...published]));
    return ids;
  }, PATIENCE_MS);
  expect(stored).toHaveLength(published.length);
  await eventually(async () => expect(await backlog()).toBe(0));
}

/** Batches fail now, again and again; what was not stored stays in the stream, and more is taken. */
async function expectBacklogKept(stored: number): Promise<void> {
  await until('failed batches', () => stream.failures.length >= 2);
  await record(10);
  await eventually(async () => expect(await backlog()).toBeGreaterThanOrEqual(published.length - stored));
}

testUnless(
  refusal,
  'with the disk of PostgreSQL full nothing is acknowledged that is not stored; with space all is stored once',
  async () => {
    await start();
    // What is logged has room for long, so that it is the tables that find none.
    await runSql(postgres.url, 'SELECT pg_switch_wal()', 'CREATE TABLE of_a_new_segment ()');
    await disk.leaveFree(20_000);
    await until('a full disk', async () => {
      await record(10);
      return stream.failures.length > 0;
    });
    await expectBacklogKept((await eventIds(audit)).length);
    expect(new Set(codes())).toEqual(new Set(['53100']));
    const webhook = { url: 'http://127.0.0.1:1/', types: ['dev.countersign.exchange.granted.v1'] };
    const { status, headers } = await audit.call('POST', '/v1/webhooks', webhook);
    expect([status, Number(headers.get('retry-after')) > 0]).toEqual([503, true]);
    expect((await audit.call('GET', '/v1/events')).status).toBe(200);
    await disk.leaveFree(PLENTY);
    await expectAllStoredOnce();
  },
);

testUnless(
  refusal,
  'with PostgreSQL ended by a panic, as its log finds no space, the same: once it is started again with space',
  async () => {
    await start();
    await disk.leaveFree(20_000);
    const last = await until('a panic', () =>
      runSql(postgres.url, "SELECT pg_create_restore_point('x'), pg_switch_wal()").then(
        () => null,
        (error: unknown) => error,
      ),
    );
    expect(driverError(last)).toMatchObject({ severity: 'PANIC', code: '53100' });
    await record(40);
    await expectBacklogKept(FIRST);
    const { status, headers } = await audit.call('GET', '/v1/events');
    expect([status, Number(headers.get('retry-after')) > 0]).toEqual([503, true]);
    await disk.leaveFree(PLENTY);
    await postgres.restart();
    await expectAllStoredOnce();
  },
);
