import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as contracts from '@countersign/contracts';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { makeSecrets, type NatsUser, type StackSecrets } from './stack-secrets';
import { repository, startStackNats } from './stack-servers';
import type { TestServer } from './servers/test-server';

const SERVICES = ['discovery', 'exchange', 'policy', 'audit'] as const;
/** Who consumes the streams, and under which durable name. */
const CONSUMERS = [
  ['audit', 'audit'],
  ['policy', 'policy-recorded'],
] as const;
/** In the code: who says it publishes a subject, who listens subscribes to it. */
const DIRECTION = { request: 'publish', publish: 'publish', serve: 'subscribe', subscribe: 'subscribe' } as const;
const SUBJECTS: string[] = Object.values(contracts)
  .flatMap((value) => (isContract(value) ? [value.natsSubject] : []))
  .sort();

function isContract(value: unknown): value is { natsSubject: string } {
  return typeof value === 'object' && value !== null && 'natsSubject' in value;
}

/** What the sources of a service say on the bus, as `publish policy.decide`. */
async function conversationsOf(service: string): Promise<string[]> {
  const folder = join(repository, 'apps', service, 'src');
  const files = (await readdir(folder, { recursive: true })).filter((file) => /(?<!\.(spec|fixture))\.ts$/.test(file));
  const sources = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  const shared = (file: string): Promise<string> => readFile(join(repository, 'libs/messaging/src', file), 'utf8');
  if (sources.some((source) => source.includes('askIssuerKeys('))) sources.push(await shared('ask-issuer-keys.ts'));
  // Every service guards its admin endpoints with it.
  sources.push(await shared('bus-admin-access.ts'));
  return [...new Set(sources.flatMap(conversationsIn))].sort();
}

function conversationsIn(source: string): string[] {
  const aliases = new Map([...source.matchAll(/(\w+) as (\w+)/g)].map(([, name, alias]) => [alias, name]));
  return [...source.matchAll(/\.(request|serve|publish|subscribe)\(\s*(\w+)/g)].flatMap(([, verb, name]) => {
    const contract: unknown = (contracts as Record<string, unknown>)[String(aliases.get(name) ?? name)];
    return isContract(contract) ? [`${DIRECTION[verb as keyof typeof DIRECTION]} ${contract.natsSubject}`] : [];
  });
}

let folder: string;
let secrets: StackSecrets;
let server: TestServer;
const connections: NatsConnection[] = [];

async function connectAs(user: NatsUser): Promise<NatsConnection> {
  const connection = await connect({
    servers: `127.0.0.1:${server.port}`,
    user,
    pass: secrets.nats[user],
    inboxPrefix: `_INBOX_${user}`,
  });
  connections.push(connection);
  return connection;
}

/** Sends protocol lines, then PING; resolves with all that came before the PONG, or before the end. */
async function converse(lines: string[]): Promise<string> {
  const socket = createConnection({ port: server.port, host: '127.0.0.1' });
  let heard = '';
  try {
    socket.write([...lines, 'PING', ''].join('\r\n'));
    for await (const chunk of socket) {
      heard += String(chunk);
      if (heard.includes('PONG\r\n')) break;
    }
    return heard;
  } finally {
    socket.destroy();
  }
}

const login = (user: string, pass: string): string =>
  `CONNECT ${JSON.stringify({ user, pass, verbose: false, pedantic: false, headers: true })}`;

/** Which of these the server lets the user do: it reports every violation before the PONG. */
async function allowed(user: NatsUser, wanted: string[]): Promise<string[]> {
  const lines = wanted.flatMap((one, index) => {
    const [verb, subject] = one.split(' ');
    return verb === 'publish' ? [`PUB ${subject} 2`, '{}'] : [`SUB ${subject} ${index}`];
  });
  const heard = await converse([login(user, secrets.nats[user]), ...lines]);
  expect(heard).toContain('PONG');
  const violations = heard.matchAll(/-ERR 'Permissions Violation for (Publish|Subscription) to "([^"]+)"/gi);
  const refused = new Set(
    [...violations].map(([, verb, subject]) => `${verb === 'Publish' ? 'publish' : 'subscribe'} ${subject}`),
  );
  return wanted.filter((one) => !refused.has(one));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-stack-nats-'));
  secrets = makeSecrets();
  server = await startStackNats(folder, secrets);
});

afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

test.each(SERVICES)('%s may say and hear on the bus what its code does, and nothing else', async (service) => {
  const everything = SUBJECTS.flatMap((subject) => [`publish ${subject}`, `subscribe ${subject}`]).sort();
  expect(await allowed(service, everything)).toEqual(await conversationsOf(service));
});

test.each(SERVICES)('%s reads no inbox but its own, no wildcard, and answers nobody unasked', async (service) => {
  const others = SERVICES.filter((other) => other !== service);
  const forbidden = [
    'subscribe >',
    'subscribe _INBOX.>',
    'subscribe policy.>',
    'subscribe $SYS.>',
    ...others.flatMap((other) => [`subscribe _INBOX_${other}.>`, `publish _INBOX_${other}.x`]),
  ];
  expect(await allowed(service, [...forbidden, `subscribe _INBOX_${service}.>`])).toEqual([
    `subscribe _INBOX_${service}.>`,
  ]);
});

test('nobody may change, delete or purge a stream, and only audit makes and consumes them as it likes', async () => {
  const api = ['STREAM.CREATE', 'STREAM.DELETE', 'STREAM.PURGE', 'STREAM.MSG.DELETE', 'STREAM.UPDATE', 'STREAM.INFO'];
  const wanted = [
    ...api.map((call) => `publish $JS.API.${call}.COUNTERSIGN_AUDIT`),
    'publish $JS.API.CONSUMER.MSG.NEXT.COUNTERSIGN_AUDIT.audit',
    'publish $JS.API.CONSUMER.DURABLE.CREATE.COUNTERSIGN_AUDIT.other',
    'publish $JS.API.CONSUMER.DELETE.COUNTERSIGN_AUDIT.audit',
    'publish $JS.ACK.COUNTERSIGN_AUDIT.audit.1.1.1.1.0',
  ];
  const granted = await Promise.all(SERVICES.map(async (service) => [service, await allowed(service, wanted)]));
  const info = ['publish $JS.API.STREAM.INFO.COUNTERSIGN_AUDIT'];
  expect(Object.fromEntries(granted)).toEqual({
    discovery: info,
    exchange: info,
    policy: info,
    audit: [
      'publish $JS.API.STREAM.CREATE.COUNTERSIGN_AUDIT',
      ...info,
      'publish $JS.API.CONSUMER.MSG.NEXT.COUNTERSIGN_AUDIT.audit',
      'publish $JS.API.CONSUMER.DURABLE.CREATE.COUNTERSIGN_AUDIT.other',
      'publish $JS.ACK.COUNTERSIGN_AUDIT.audit.1.1.1.1.0',
    ],
  });
});

test('only the exchange writes to the stream that strangers can fill', async () => {
  const writers = await Promise.all(
    SERVICES.map(async (service) => allowed(service, ['publish countersign.refusals.exchange.denied'])),
  );
  expect(writers.map((subjects) => subjects.length)).toEqual([0, 1, 0, 0]);
});

test('other systems read the audit events, and can say, make, change and delete nothing', async () => {
  const subjects = [...SUBJECTS, 'countersign.audit.exchange.granted', '$JS.API.INFO', '_INBOX_exchange.x'];
  const api = ['STREAM.DELETE', 'STREAM.PURGE', 'STREAM.MSG.DELETE', 'STREAM.UPDATE', 'STREAM.INFO'];
  const calls = ['CREATE', 'DURABLE.CREATE', 'DELETE', 'MSG.NEXT', 'INFO'].flatMap((call) =>
    ['COUNTERSIGN_AUDIT.subscriber', 'COUNTERSIGN_AUDIT.audit', 'COUNTERSIGN_REFUSALS.subscriber'].map(
      (consumer) => `API.CONSUMER.${call}.${consumer}`,
    ),
  );
  const wanted = [
    ...subjects.flatMap((subject) => [`publish ${subject}`, `subscribe ${subject}`]),
    ...api.map((call) => `publish $JS.API.${call}.COUNTERSIGN_AUDIT`),
    ...calls.flatMap((call) => [`publish $JS.${call}`, `publish JS.countersign.${call}`]),
    'publish $JS.ACK.COUNTERSIGN_AUDIT.audit.1.1.1.1.0',
    'subscribe >',
  ];
  expect(await allowed('subscriber', wanted)).toEqual([
    'subscribe countersign.audit.exchange.granted',
    'publish JS.countersign.API.CONSUMER.MSG.NEXT.COUNTERSIGN_AUDIT.subscriber',
    'publish JS.countersign.API.CONSUMER.INFO.COUNTERSIGN_AUDIT.subscriber',
  ]);
});

test('a stranger without a password does not get in', async () => {
  for (const lines of [['CONNECT {}'], [login('policy', 'wrong')], [login('exchange', secrets.nats.policy)]])
    expect(await converse(lines)).toMatch(/-ERR 'Authorization Violation'/);
});

test('a request is answered across users', async () => {
  const [exchange, policy] = [await connectAs('exchange'), await connectAs('policy')];
  policy.subscribe('policy.decide', { queue: 'policy', callback: (_, message) => void message.respond('yes') });
  await policy.flush();
  expect((await exchange.request('policy.decide', '{}', { timeout: 5_000 })).string()).toBe('yes');
});

test('an event is appended by one user, heard by other systems and consumed by audit and by policy', async () => {
  const [exchange, audit] = [await connectAs('exchange'), await connectAs('audit')];
  const manager = await jetstreamManager(audit);
  await manager.streams.add({ name: 'COUNTERSIGN_AUDIT', subjects: ['countersign.audit.>'] });
  await manager.streams.add({ name: 'COUNTERSIGN_REFUSALS', subjects: ['countersign.refusals.>'] });
  const subscriber = await connectAs('subscriber');
  const heard = subscriber.subscribe('countersign.audit.>', { max: 1 });
  await subscriber.flush();
  await jetstream(exchange).publish('countersign.audit.exchange.granted', '{"id":"1"}');
  await jetstream(exchange).publish('countersign.refusals.exchange.denied', '{"id":"2"}');
  for await (const message of heard) expect(message.json()).toEqual({ id: '1' });
  for (const [user, durable] of CONSUMERS) {
    const own = await jetstreamManager(await connectAs(user), { checkAPI: false });
    for (const stream of ['COUNTERSIGN_AUDIT', 'COUNTERSIGN_REFUSALS']) {
      await own.consumers.add(stream, { durable_name: durable, ack_policy: AckPolicy.Explicit });
      const consumer = await own.jetstream().consumers.get(stream, durable);
      expect((await consumer.info()).num_pending).toBe(1);
      const message = await consumer.next({ expires: 5_000 });
      expect(message?.json()).toEqual({ id: stream === 'COUNTERSIGN_AUDIT' ? '1' : '2' });
      expect(await message?.ackAck()).toBe(true);
    }
  }
});

test('another system reads the stream with the example; answers to it stay where it can do nothing', async () => {
  const [exchange, audit, subscriber] = [
    await connectAs('exchange'),
    await connectAs('audit'),
    await connectAs('subscriber'),
  ];
  const own = await jetstreamManager(audit, { checkAPI: false });
  await own.consumers.add('COUNTERSIGN_AUDIT', { durable_name: 'subscriber', ack_policy: AckPolicy.Explicit });
  const stored = async () => (await own.streams.info('COUNTERSIGN_AUDIT')).state.messages;
  const before = await stored();
  // Asked for by a user of the other account, the answer would be one more event of the stream.
  const reply = 'countersign.audit.exchange.granted';
  const heard = subscriber.subscribe(reply, { max: 1 });
  await subscriber.flush();
  const ask = 'JS.countersign.API.CONSUMER.MSG.NEXT.COUNTERSIGN_AUDIT.subscriber';
  subscriber.publish(ask, '{"batch":1,"expires":30000000000}', { reply });
  for await (const message of heard) expect(message.json()).toEqual({ id: '1' });
  await audit.flush();
  expect(await stored()).toBe(before);
  await jetstream(exchange).publish('countersign.audit.exchange.denied', '{"id":"3","type":"t"}');
  // What happens at the same time comes as a list.
  await jetstream(exchange).publish(
    'countersign.audit.exchange.denied',
    '[{"id":"4","type":"t"},{"id":"5","type":"t"}]',
  );
  expect(await runConsumer(3)).toEqual(['3', '4', '5'].map((id) => `{"type":"t","id":"${id}"}`));
  const { num_ack_pending, delivered } = await own.consumers.info('COUNTERSIGN_AUDIT', 'subscriber');
  // What was answered elsewhere was never acknowledged.
  expect([num_ack_pending, delivered.stream_seq]).toEqual([1, before + 2]);
});

/** Runs the example until it has printed so many lines; then it is asked to stop. */
async function runConsumer(count: number): Promise<string[]> {
  const child = spawn(process.execPath, [join(repository, 'examples/nats-consumer/consumer.mjs')], {
    env: { ...process.env, NATS_URL: server.url, NATS_PASSWORD: secrets.nats.subscriber },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (lines.push(line) === count) child.kill('SIGTERM');
  }
  return lines;
}
