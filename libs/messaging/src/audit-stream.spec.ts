import { setImmediate } from 'node:timers/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { AUDIT_STREAMS, eventSubject, type CloudEvent } from '@countersign/contracts';
import { Logger, UnavailableError } from '@countersign/platform';
import {
  auditStreamConformance,
  createTestDatabase,
  eventually,
  generous,
  freePort,
  recordEvents,
  sqlQuery,
  startNats,
  startPostgres,
  testEvent,
  type TestServer,
} from '@countersign/testing';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { NatsAuditStream } from './nats-audit-stream';
import { connectNats, type NatsLink } from './nats-link';
import { provisionStreams } from './provision-streams';
import { SqlAuditStream } from './sql-audit-stream';

const silent = new Logger('test', 'silent');
const AUDIT = AUDIT_STREAMS.audit.name;
const mostRefusals = 20;

const subjectsOf = (events: { event: CloudEvent }[]): (string | undefined)[] =>
  events.map(({ event }) => event.subject);

const openOn = async (server: TestServer): Promise<{ link: NatsLink; stream: NatsAuditStream }> => {
  const link = connectNats({ url: server.url, service: 'test', logger: silent });
  const stream = new NatsAuditStream(link, silent);
  await link.whenConnected();
  return { link, stream };
};

auditStreamConformance('JetStream', async () => {
  const server = await startNats();
  return {
    mostRefusals,
    open: async () => {
      const { link, stream } = await openOn(server);
      await provisionStreams(link, { replicas: 1, mostRefusals });
      return stream;
    },
    tearDown: () => server.stop(),
  };
});

describe('the SQL twin', () => {
  let postgres: TestServer;
  beforeAll(async () => void (postgres = await startPostgres()));
  afterAll(() => postgres.stop());

  auditStreamConformance('A PostgreSQL table', async () => {
    const database = await createTestDatabase(postgres);
    const { query, end } = sqlQuery(database.url);
    return {
      mostRefusals,
      open: async () => new SqlAuditStream({ query, logger: silent, mostRefusals }),
      tearDown: async () => {
        await end();
        await database.drop();
      },
    };
  });

  const withStream = async (
    test: (stream: SqlAuditStream, query: ReturnType<typeof sqlQuery>['query']) => Promise<void>,
  ): Promise<void> => {
    const database = await createTestDatabase(postgres);
    const { query, end } = sqlQuery(database.url);
    const stream = new SqlAuditStream({ query, logger: silent });
    try {
      await test(stream, query);
    } finally {
      await stream.close();
      await end();
      await database.drop();
    }
  };

  const counting = async (
    test: (stream: SqlAuditStream, count: { statements: number }) => Promise<void>,
  ): Promise<void> =>
    withStream(async (_stream, query) => {
      const count = { statements: 0 };
      const stream = new SqlAuditStream({
        query: (sql, parameters) => ((count.statements += 1), query(sql, parameters)),
        logger: silent,
      });
      await stream.prepare();
      count.statements = 0;
      await test(stream, count).finally(() => stream.close());
    });

  test('32 appends at once are one statement', async () => {
    await counting(async (stream, count) => {
      await Promise.all(Array.from({ length: 32 }, (_, index) => stream.append('audit', testEvent(`${index}`))));
      expect(count.statements).toBe(1);
    });
  });

  test('of many appends at once, an event that several callers append is stored once, and each is answered', async () => {
    await withStream(async (stream) => {
      const events = Array.from({ length: 40 }, (_, index) => testEvent(`${index}`));
      await Promise.all([...events, ...events, ...events].map((event) => stream.append('audit', event)));
      await stream.append('audit', testEvent('last'));
      const received = await recordEvents(stream, { durable: 'd' }).atLeast(41);
      expect(subjectsOf(received)).toEqual([...subjectsOf(events.map((event) => ({ event }))), 'last']);
    });
  });

  test('a consumer costs two statements a batch, at most twenty batches a second, and an append to one stream none of the other', async () => {
    await counting(async (stream, count) => {
      const batches: number[] = [];
      const handler = async (batch: unknown[]): Promise<void> => void batches.push(batch.length);
      for (const name of ['audit', 'refusals'] as const)
        stream.consume({ stream: name, durable: 'd', batchSize: 1_000, handler });
      const started = performance.now();
      const appends = 300;
      for (let number = 0; number < appends; number++) await stream.append('audit', testEvent(`${number}`));
      await eventually(() => expect(batches.reduce((sum, size) => sum + size, 0)).toBe(appends));
      const elapsed = performance.now() - started;
      expect(batches.length).toBeLessThanOrEqual(elapsed / 49 + 1);
      // Beside the batches: places in two streams, looks that found nothing, and those of each second.
      const others = 2 + 2 * (2 + elapsed / 1_000) + batches.length;
      expect(count.statements - appends).toBeLessThanOrEqual(2 * batches.length + others);
    });
  });

  test('deletes refusals that every consumer has had, and keeps the trail', async () => {
    await withStream(async (stream, query) => {
      for (const to of ['audit', 'refusals'] as const)
        await Promise.all([1, 2, 3].map((number) => stream.append(to, testEvent(`${number}`))));
      await recordEvents(stream, { durable: 'd', stream: 'refusals' }).atLeast(3);
      await recordEvents(stream, { durable: 'd' }).atLeast(3);
      await eventually(async () => {
        const rows = await query('SELECT stream, count(*)::int FROM embedded.stream_event GROUP BY stream', []);
        expect(rows).toEqual([{ stream: 'audit', count: 3 }]);
      });
    });
  });

  test('is unavailable when the database is, for append and ping, and works again after', async () => {
    const state = { down: true };
    await withStream(async (_stream, query) => {
      const stream = new SqlAuditStream({
        query: (sql, parameters) => (state.down ? Promise.reject(new Error('down')) : query(sql, parameters)),
        logger: silent,
      });
      const recorder = recordEvents(stream, { durable: 'd' });
      await expect(stream.append('audit', testEvent('1'))).rejects.toThrow(UnavailableError);
      await expect(stream.ping()).rejects.toThrow(UnavailableError);
      state.down = false;
      await stream.append('audit', testEvent('2'));
      expect(subjectsOf(await recorder.atLeast(1))).toEqual(['2']);
      await stream.close();
    });
  });
});

describe('JetStream alone', () => {
  let server: TestServer;
  let link: NatsLink;
  let stream: NatsAuditStream;
  let raw: NatsConnection;
  let manager: JetStreamManager;

  const start = async (options: { auditMaxBytes?: number } | null = {}): Promise<void> => {
    server = await startNats();
    ({ link, stream } = await openOn(server));
    if (options !== null) await provisionStreams(link, { replicas: 1, ...options });
    raw = await connect({ servers: server.url, reconnectTimeWait: 100, maxReconnectAttempts: -1 });
    manager = await jetstreamManager(raw);
  };
  const unavailable = async (work: Promise<unknown>): Promise<string> => {
    const started = performance.now();
    const error: unknown = await work.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(performance.now() - started).toBeLessThan(generous(1_000));
    return (error as UnavailableError).dependency;
  };

  afterEach(async () => {
    await stream.close();
    await raw.close();
    await server.stop();
  });

  test('makes what is missing, once, and changes nothing that exists', async () => {
    await start(null);
    const both = [AUDIT, AUDIT_STREAMS.refusals.name];
    expect(await provisionStreams(link, { replicas: 1 })).toEqual(both);
    await stream.append('audit', testEvent('kept'));
    expect(await provisionStreams(link, { replicas: 1, auditMaxBytes: 5 })).toEqual([]);
    const { config, state } = await manager.streams.info(AUDIT);
    expect(config).toMatchObject({
      storage: 'file',
      discard: 'new',
      deny_delete: true,
      deny_purge: true,
      duplicate_window: 120e9,
      max_bytes: -1,
    });
    expect(state.messages).toBe(1);
    const subscriber = await manager.consumers.info(AUDIT, 'subscriber');
    expect([subscriber.num_pending, subscriber.config.deliver_subject]).toEqual([1, undefined]);
    expect((await manager.streams.info(AUDIT_STREAMS.refusals.name)).config).toMatchObject({
      discard: 'old',
      max_msgs: 100_000,
      max_bytes: 64 * 1024 * 1024,
    });
    await expect(manager.streams.purge(AUDIT)).rejects.toThrow();
    await expect(manager.streams.deleteMessage(AUDIT, 1)).rejects.toThrow();
  });

  test('refuses and is not ready while the stream does not exist, and never makes it', async () => {
    await start(null);
    expect(await unavailable(stream.append('audit', testEvent('1')))).toBe('audit-stream');
    expect(await unavailable(stream.ping())).toBe('audit-stream');
    const recorder = recordEvents(stream, { durable: 'd' });
    await expect(manager.streams.info(AUDIT)).rejects.toThrow();
    await provisionStreams(link, { replicas: 1 });
    await stream.ping();
    await stream.append('audit', testEvent('2'));
    expect(subjectsOf(await recorder.atLeast(1))).toEqual(['2']);
  });

  test('refuses when the stream is full, and drops nothing', async () => {
    await start({ auditMaxBytes: 4_000 });
    let stored = 0;
    const fill = async (): Promise<never> => {
      for (;;) {
        await stream.append('audit', testEvent(`${stored}`));
        stored += 1;
      }
    };
    expect(await unavailable(fill())).toBe('audit-stream');
    expect((await recordEvents(stream, { durable: 'd' }).atLeast(stored)).length).toBe(stored);
  });

  test('refuses an event larger than NATS allows', async () => {
    await start();
    const event = { ...testEvent('large'), data: { text: 'x'.repeat(1_100_000) } };
    expect(await unavailable(stream.append('audit', event))).toBe('audit-stream');
    await stream.append('audit', testEvent('next'));
  });

  test('fails at once while NATS is down, within a second while it is frozen; what was acknowledged is kept', async () => {
    await start();
    const recorder = recordEvents(stream, { durable: 'd' });
    await stream.append('audit', testEvent('1'));
    await recorder.atLeast(1);
    await server.kill();
    await eventually(async () => expect(await unavailable(stream.append('audit', testEvent('lost')))).toBe('nats'));
    await server.restart();
    const second = testEvent('2');
    await eventually(() => stream.append('audit', second));
    await recorder.atLeast(2);
    server.pause();
    const late = testEvent('late');
    expect(await unavailable(stream.append('audit', late))).toBe('audit-stream');
    server.resume();
    await eventually(() => stream.append('audit', late));
    await stream.append('audit', testEvent('3'));
    await eventually(() => expect(subjectsOf(recorder.items)).toContain('3'));
    // Delivered at least once: an acknowledgement may have died with the server.
    const stored = new Map(recorder.items.map(({ streamSequence, event }) => [streamSequence, event.subject]));
    const subjects = [...stored.values()].filter((subject) => subject !== 'lost');
    expect(subjects).toEqual(['1', '2', 'late', '3']);
  });

  test('ends no process when the connection is lost while events wait for others, and refuses them', async () => {
    await start();
    const refused: Promise<string>[] = [];
    const killed = server.kill();
    const isUp = (): boolean => {
      try {
        return link.connection() !== null;
      } catch {
        return false;
      }
    };
    for (; isUp(); await setImmediate()) refused.push(unavailable(stream.append('audit', testEvent('refused'))));
    await Promise.all([killed, ...refused]);
    await server.restart();
    await eventually(() => stream.append('audit', testEvent('after')));
  });

  test('consumes from a server that starts later', async () => {
    await start();
    const port = await freePort();
    const early = connectNats({ url: `nats://127.0.0.1:${port}`, service: 'test', logger: silent });
    const waiting = new NatsAuditStream(early, silent);
    const recorder = recordEvents(waiting, { durable: 'd' });
    expect(await unavailable(waiting.append('audit', testEvent('1')))).toBe('nats');
    const later = await startNats({ port });
    await provisionStreams(early, { replicas: 1 });
    await eventually(() => waiting.append('audit', testEvent('2')));
    await recorder.atLeast(1);
    await waiting.close();
    await later.stop();
  });

  test('what arrives while a batch takes long is next, and waits for no time to run out', async () => {
    await start();
    const received: (string | undefined)[] = [];
    const numbers = Array.from({ length: 12 }, (_, index) => `${index}`);
    let isSlow = true;
    const slowOnce = async (batch: { event: CloudEvent }[]): Promise<void> => {
      received.push(...subjectsOf(batch));
      if (!isSlow) return;
      isSlow = false;
      for (const number of numbers.slice(1)) await stream.append('audit', testEvent(number));
      // Longer than the client lets a request for messages be silent.
      await delay(2_500);
    };
    stream.consume({ stream: 'audit', durable: 'd', batchSize: 50, handler: slowOnce });
    await stream.append('audit', testEvent('0'));
    await eventually(() => expect(received.length).toBeGreaterThan(1));
    await stream.append('audit', testEvent('last'));
    await eventually(() => expect(received).toContain('last'));
    expect(received).toEqual([...numbers, 'last']);
  });

  test('goes on when its consumer is deleted under it', async () => {
    await start();
    const recorder = recordEvents(stream, { durable: 'd' });
    await stream.append('audit', testEvent('1'));
    await recorder.atLeast(1);
    await manager.consumers.delete(AUDIT, 'd');
    await stream.append('audit', testEvent('2'));
    // A new consumer starts at the beginning: at least once, never less.
    await eventually(() => expect(subjectsOf(recorder.items)).toContain('2'));
  });

  test('puts aside what is no event, once, and delivers types that it does not know', async () => {
    await start();
    const subject = eventSubject('audit', 'dev.countersign.exchange.granted.v1');
    const newer = { ...testEvent('newer'), type: 'dev.countersign.exchange.invented.v9' };
    for (const text of ['', 'no json', 'null', '{}', '['.repeat(50_000), JSON.stringify(newer)])
      await manager.jetstream().publish(subject, text);
    await stream.append('audit', testEvent('good'));
    const recorder = recordEvents(stream, { durable: 'd' });
    expect(subjectsOf(await recorder.atLeast(2))).toEqual(['newer', 'good']);
    await eventually(async () => {
      const { num_ack_pending, num_redelivered, num_pending } = await manager.consumers.info(AUDIT, 'd');
      expect({ num_ack_pending, num_redelivered, num_pending }).toEqual({
        num_ack_pending: 0,
        num_redelivered: 0,
        num_pending: 0,
      });
    });
  });

  test('puts events that come together into few messages, each a CloudEvents batch', async () => {
    await start();
    const events = Array.from({ length: 32 }, (_, index) => testEvent(`${index}`));
    await Promise.all(events.map((event) => stream.append('audit', event)));
    const { messages } = (await manager.streams.info(AUDIT)).state;
    expect(messages).toBeLessThanOrEqual(3);
    const stored = await manager.streams.getMessage(AUDIT, { seq: 1 });
    expect(stored?.header.get('content-type')).toBe('application/cloudevents-batch+json');
    expect(stored?.json<CloudEvent[]>()[0]).toEqual(events[0]);
    const received = await recordEvents(stream, { durable: 'd' }).atLeast(32);
    expect(received.map(({ event }) => event)).toEqual(events);
  });

  test('puts an event that comes alone into a message of its own', async () => {
    await start();
    const event = testEvent('alone');
    await stream.append('audit', event);
    const stored = await manager.streams.getMessage(AUDIT, { seq: 1 });
    expect(stored?.header.get('content-type')).toBe('application/cloudevents+json');
    expect(stored?.json()).toEqual(event);
  });

  test('keeps the same events that come together once', async () => {
    await start();
    const events = [testEvent('1'), testEvent('2'), testEvent('3')];
    const appendAll = (): Promise<unknown> => Promise.all(events.map((event) => stream.append('audit', event)));
    await eventually(appendAll);
    await eventually(appendAll);
    expect((await manager.streams.info(AUDIT)).state.messages).toBe(1);
  });

  test('refuses each of the events that come together when the stream is not there', async () => {
    await start(null);
    const events = [testEvent('1'), testEvent('2'), testEvent('3')];
    const refused = await Promise.all(events.map((event) => unavailable(stream.append('audit', event))));
    expect(refused).toEqual(Array(3).fill('audit-stream'));
  });

  test('delivers the events of a batch around what is none, which something stands in for', async () => {
    await start();
    const subject = eventSubject('audit', 'dev.countersign.exchange.granted.v1');
    const good = ['1', '2', '3'].map((name) => testEvent(name));
    const deep = '['.repeat(50_000) + ']'.repeat(50_000);
    const list = [good[0], { no: 'event' }, good[1], null, 'text'].map((item) => JSON.stringify(item));
    await manager.jetstream().publish(subject, `[${[...list, deep, JSON.stringify(good[2])].join(',')}]`);
    for (const text of ['[]', `[${Array(2_000).fill('1').join(',')}]`])
      await manager.jetstream().publish(subject, text);
    const alone = recordEvents(stream, { durable: 'd' });
    const standIn = (): CloudEvent => testEvent('stand-in');
    const stoodIn = recordEvents(stream, { durable: 'e', standIn });
    await stream.append('audit', testEvent('4'));
    expect(subjectsOf(await alone.atLeast(4))).toEqual(['1', '2', '3', '4']);
    expect((await stoodIn.atLeast(10)).map(({ event, streamSequence }) => [streamSequence, event.subject])).toEqual([
      ...['1', 'stand-in', '2', 'stand-in', 'stand-in', 'stand-in', '3'].map((name) => [1, name]),
      ...[
        [2, 'stand-in'],
        [3, 'stand-in'],
        [4, '4'],
      ],
    ]);
  });

  test.each([
    ['with a request id', { requestId: 'job-42' }, 'job-42'],
    ['without', {}, ''],
  ])('the message of a single event has its trace in the headers: %s', async (_, data, requestId) => {
    await start();
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await stream.append('audit', { ...testEvent('1'), traceparent, data });
    const stored = await manager.streams.getMessage(AUDIT, { seq: 1 });
    expect(stored?.header.get('traceparent')).toBe(traceparent);
    expect(stored?.header.get('x-request-id')).toBe(requestId);
  });

  test('waits for the batch in work when it is closed, and leaves the rest to the next at once', async () => {
    await start();
    const events = Array.from({ length: 300 }, (_, index) => testEvent(`${index}`));
    // Each in a message of its own: one that has begun is finished.
    for (const event of events) await eventually(() => stream.append('audit', event));
    let release = (): void => undefined;
    const first: string[] = [];
    const entered = new Promise<void>((resolve) => {
      stream.consume({
        stream: 'audit',
        durable: 'd',
        batchSize: 10,
        handler: (batch) =>
          new Promise<void>((go) => {
            first.push(...batch.map(({ event }) => event.id));
            release = go;
            resolve();
          }),
      });
    });
    await entered;
    const closed = stream.close();
    release();
    await closed;
    ({ link, stream } = await openOn(server));
    const rest = await recordEvents(stream, { durable: 'd' }).atLeast(300 - first.length);
    expect(new Set([...first, ...rest.map(({ event }) => event.id)]).size).toBe(300);
    expect(first.length + rest.length).toBe(300);
  });
});
