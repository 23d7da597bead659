import { createHash } from 'node:crypto';
import { AUDIT_STREAMS, type CloudEvent, type RecordedEvent } from '@countersign/contracts';
import {
  connectNats,
  NatsAuditStream,
  provisionStreams,
  type ConsumeOptions,
  type NatsLink,
} from '@countersign/messaging';
import { Logger } from '@countersign/platform';
import { createTestDatabase, eventually, startNats, startPostgres, type TestServer } from '@countersign/testing';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { exchangeEvent, startAudit, until, type AuditUnderTest } from '../audit.fixture';

const silent = new Logger('test', 'silent');
const REFUSALS = AUDIT_STREAMS.refusals.name;
const AUDIT = AUDIT_STREAMS.audit.name;
const PATIENCE_MS = 180_000;
const KEPT = 20;
const QUICK = { gaps: { intervalMs: 10, patienceMs: PATIENCE_MS } };

let postgres: TestServer;
let nats: TestServer;
let raw: NatsConnection;
let manager: JetStreamManager;
let publisher: { link: NatsLink; stream: NatsAuditStream };
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let audit: AuditUnderTest;

/** A consumer that dies before and after its work, as often as told. */
class FailingNatsStream extends NatsAuditStream {
  deaths = 0;
  override consume(options: ConsumeOptions): void {
    const handler: ConsumeOptions['handler'] = async (batch) => {
      if (this.deaths-- > 0 && this.deaths % 2 === 0) throw new Error('died before the batch was stored');
      await options.handler(batch);
      if (this.deaths-- > 0) throw new Error('died before the batch was acknowledged');
    };
    super.consume({ ...options, batchSize: 3, handler });
  }
}

function openStream(): { link: NatsLink; stream: FailingNatsStream } {
  const link = connectNats({ url: nats.url, service: 'test', logger: silent });
  return { link, stream: new FailingNatsStream(link, silent) };
}

const start = async (stream = openStream().stream): Promise<void> => {
  audit = await startAudit(postgres, {}, { ...QUICK, stream, databaseUrl: database.url });
};

async function append(to: 'audit' | 'refusals', count: number): Promise<string[]> {
  const events = Array.from({ length: count }, () => exchangeEvent());
  for (const event of events) await eventually(() => publisher.stream.append(to, event));
  return events.map(({ id }) => id);
}

/** A busy machine may answer 503. */
const events = (query = ''): Promise<RecordedEvent[]> =>
  until('an answer', async () => {
    const { status, body } = await audit.call('GET', `/v1/events?limit=500${query}`);
    return status === 200 ? (body.items as RecordedEvent[]) : null;
  });
const exchanges = async (): Promise<string[]> =>
  (await events('&type=dev.countersign.exchange.granted.v1')).map(({ id }) => id).reverse();
const stored = (count: number): Promise<string[]> =>
  until(`${count} exchanges`, async () => {
    const ids = await exchanges();
    return ids.length >= count ? ids : null;
  });
/** All that were appended until now. */
async function reports(what = 'gap_found'): Promise<CloudEvent[]> {
  const last = exchangeEvent({}, { type: 'dev.countersign.webhook.test.v1' });
  await publisher.stream.append('audit', last);
  await until('what came before', async () => (await audit.call('GET', `/v1/events/${last.id}`)).status === 200);
  return events(`&type=dev.countersign.audit.${what}.v1`);
}
/** As the newest look found it; there is no number before the first. */
async function missing(stream: 'audit' | 'refusals'): Promise<number> {
  const look = (): Promise<number> => audit.metric(`countersign_audit_stream_gap_events\\{stream="${stream}"\\}`);
  const { found } = await until('a number', async () => {
    const found = await look();
    return Number.isNaN(found) ? null : { found };
  });
  return found;
}

const consumed = (stream: string): Promise<unknown> =>
  until('the acknowledgements', async () => {
    const { num_pending, num_ack_pending } = await manager.consumers.info(stream, 'audit');
    return num_pending + num_ack_pending === 0;
  });

/** Until a look has noted what is settled at this time. */
const look = (): Promise<unknown> =>
  until('a look', async () => {
    const now = audit.clock.now();
    const sql = `SELECT bool_and(settled_at BETWEEN to_timestamp($1::float8) AND to_timestamp($2::float8)) AS done
      FROM audit.stream_progress`;
    const [row] = await audit.rows<{ done: boolean | null }>(sql, [(now - PATIENCE_MS) / 1000, now / 1000]);
    return row?.done;
  });

/** Until all that was settled when it began has been judged. */
async function judge(): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    await look();
    audit.clock.added += 2 * PATIENCE_MS;
  }
  await look();
}

beforeAll(async () => {
  postgres = await startPostgres();
  nats = await startNats();
  raw = await connect({ servers: nats.url, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
  manager = await jetstreamManager(raw);
});
afterAll(async () => {
  await raw.close();
  await nats.stop();
  await postgres.stop();
});
beforeEach(async () => {
  database = await createTestDatabase(postgres);
  publisher = openStream();
  await provisionStreams(publisher.link, { replicas: 1, mostRefusals: KEPT });
});
afterEach(async () => {
  await audit.stop();
  await publisher.stream.close();
  for (const name of [AUDIT, REFUSALS]) await manager.streams.delete(name);
  await database.drop();
});

describe('an event that a stream had and the trail never got', () => {
  test('is reported once, holds up no other, and is not reported again by those who start later', async () => {
    const ids = await append('refusals', 8);
    for (const sequence of [1, 3, 4, 8]) await manager.streams.deleteMessage(REFUSALS, sequence);
    await start();
    expect(await stored(4)).toEqual([ids[1], ids[4], ids[5], ids[6]]);
    await consumed(REFUSALS);
    await judge();
    const found = (await reports()).map(({ data }) => [data.stream, data.from, data.to]);
    expect(found).toEqual([
      [REFUSALS, '8', '8'],
      [REFUSALS, '3', '4'],
      [REFUSALS, '1', '1'],
    ]);
    expect([await missing('refusals'), await missing('audit')]).toEqual([4, 0]);
    await judge();
    await audit.stop();
    await start();
    await judge();
    expect(await reports()).toHaveLength(found.length);
    expect(await missing('refusals')).toBe(4);
  });

  test('is reported when it was dropped before it was read, as old refusals are', async () => {
    const ids = await append('refusals', KEPT + 5);
    await start();
    expect(await stored(KEPT)).toEqual(ids.slice(5));
    await consumed(REFUSALS);
    await judge();
    expect((await reports()).map(({ data }) => [data.from, data.to])).toEqual([['1', '5']]);
  });

  test('is reported when the database is an older one, and counts no more once it has come after all', async () => {
    const ids = await append('audit', 5);
    await start();
    await stored(5);
    await consumed(AUDIT);
    await audit.stop();
    await database.drop();
    database = await createTestDatabase(postgres);
    await start();
    await judge();
    expect((await reports()).map(({ data }) => [data.stream, data.from, data.to])).toEqual([[AUDIT, '1', '5']]);
    expect(await missing('audit')).toBe(5);
    await manager.consumers.delete(AUDIT, 'audit');
    expect((await stored(5)).sort()).toEqual(ids.sort());
    await until('nothing missing', async () => (await missing('audit')) === 0);
    await judge();
    expect(await reports()).toHaveLength(1);
  });
});

test('what comes again and out of order, and what a killed server brings again, is no gap', async () => {
  const nothing = async (): Promise<void> => {
    await judge();
    expect(await Promise.all([reports(), reports('stream_restarted'), missing('audit')])).toEqual([[], [], 0]);
  };
  const { stream } = openStream();
  stream.deaths = 4;
  const first = await append('audit', 20);
  await start(stream);
  await until('the deaths', () => stream.deaths <= 0);
  for (const id of first.slice(0, 5)) {
    const twice = exchangeEvent({}, { id });
    await manager.jetstream().publish('countersign.audit.exchange.granted', JSON.stringify(twice));
  }
  await stored(20);
  await consumed(AUDIT);
  await nothing();
  await nats.kill();
  await nats.restart();
  const ids = [...first, ...(await append('audit', 10))];
  expect((await stored(30)).sort()).toEqual(ids.sort());
  await audit.stop();
  await start();
  await append('audit', 1);
  await stored(31);
  await nothing();
});

test('a stream that was made anew is reported once, and read from its beginning', async () => {
  await append('audit', 5);
  await start();
  await stored(5);
  await judge();
  await manager.streams.delete(AUDIT);
  await provisionStreams(publisher.link, { replicas: 1 });
  await append('audit', 3);
  await stored(8);
  await judge();
  await judge();
  const [restart, ...more] = await reports('stream_restarted');
  expect([restart?.data, more]).toEqual([expect.objectContaining({ stream: AUDIT, readUpTo: '5' }), []]);
  expect(await reports()).toEqual([]);
});

test('what is no event has a place in the trail without a word of it, and holds up nothing behind it', async () => {
  const secret = `Bearer ${'s3cret'.repeat(5)}`;
  const deep = JSON.stringify(exchangeEvent()).replace(
    '"data":{',
    `"data":{"deep":${'['.repeat(4_000)}${']'.repeat(4_000)},`,
  );
  const odd = JSON.stringify({ ...exchangeEvent(), type: 'a\u0000b', id: 'c\u0000d' });
  // No number of JavaScript; in claims, which are hashed before they are stored.
  const huge = JSON.stringify(exchangeEvent({ claims: { sub: 's' } })).replace('"sub":', '"n":1e400,"sub":');
  const garbage = ['', secret, 'null', '{}', '['.repeat(50_000), Buffer.from([0xff, 0xfe, 0x00]), deep, odd, huge];
  for (const bytes of garbage) await manager.jetstream().publish('countersign.audit.exchange.granted', bytes);
  const ids = await append('audit', 1);
  await start();
  // whoever watches it hears before it is full.
  const { state } = await manager.streams.info(AUDIT);
  await until(
    'its size',
    async () => (await audit.metric('countersign_audit_stream_bytes\\{stream="audit"\\}')) === state.bytes,
  );
  // Placeholders keep the type where there was one.
  expect(await stored(3)).toEqual(expect.arrayContaining(ids));
  const found = await events('&outcome=unreadable');
  expect(found.map(({ data }) => data.reason).sort()).toEqual([
    ...Array<string>(6).fill('not_an_event'),
    ...Array<string>(3).fill('not_storable'),
  ]);
  expect(found.find(({ data }) => data.streamSequence === '2')?.data).toMatchObject({
    stream: AUDIT,
    natsSubject: 'countersign.audit.exchange.granted',
    bytes: secret.length,
    sha256: createHash('sha256').update(secret).digest('hex'),
  });
  expect(JSON.stringify(found)).not.toContain('s3cret');
  expect(await audit.metric('countersign_audit_unreadable_messages_total\\{stream="audit"\\}')).toBe(6);
  await judge();
  expect(await Promise.all([reports(), missing('audit')])).toEqual([[], 0]);
});
