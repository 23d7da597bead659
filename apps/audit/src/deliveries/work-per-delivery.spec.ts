import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Logger } from '@countersign/platform';
import { createTestDatabase, startPostgres, type TestServer } from '@countersign/testing';
import { Client } from 'pg';
import { ENVIRONMENT, exchangeEvent, startAudit, until, type AuditUnderTest } from '../audit.fixture';
import { AuditConfig } from '../config';
import { SubjectKeys } from '../personal-data/subject-keys';
import { EndpointEvents } from '../webhooks/endpoint-events';
import { EndpointSecrets } from '../webhooks/endpoint-secrets';
import { EndpointStore } from '../webhooks/endpoint-store';
import { DeliveryOutcomes } from './delivery-outcomes';
import { DeliveryQueue } from './delivery-queue';

const EVENTS = 50;
const ENDPOINTS = 2;
const DELIVERIES = EVENTS * ENDPOINTS;

let server: TestServer;
let audit: AuditUnderTest;

beforeAll(async () => void (server = await startPostgres()));
afterAll(() => server.stop());
afterEach(async () => {
  jest.restoreAllMocks();
  await audit.stop();
});

/** How many statements with these words there were from now on. */
function countStatements(): (words: RegExp) => number {
  const { calls } = jest.spyOn(Client.prototype, 'query').mock;
  const texts = (): string[] => calls.map(([sql]) => (typeof sql === 'string' ? sql : (sql as { text: string }).text));
  return (words) => texts().filter((text) => words.test(text)).length;
}

const types = ['dev.countersign.exchange.granted.v1'];
const register = (url: string) => audit.call('POST', '/v1/webhooks', { url, types, maxPerSecond: 1_000 });
const append = (count: number) =>
  Promise.all(Array.from({ length: count }, () => audit.stream.append('audit', exchangeEvent())));
const countRows = async (status: string): Promise<number> =>
  (await audit.rows('SELECT FROM audit.delivery WHERE status = $1', [status])).length;

test('deliveries cost three statements a batch of the trail, one a lease with one for its events, one a record', async () => {
  audit = await startAudit(server, { maxAttempts: 0 });
  for (let index = 0; index < ENDPOINTS; index += 1) await register('https://receiver.test/');
  const statements = countStatements();
  await append(EVENTS);
  await until('the deliveries', async () => (await countRows('pending')) === DELIVERIES);
  const batches = statements(/INTO audit\.event /);
  for (const words of [/INTO audit\.delivery/, /FOR NO KEY UPDATE/, /UPDATE audit\.webhook_endpoint/])
    expect(statements(words)).toBeLessThanOrEqual(batches);

  const { queue, outcomes } = ownQueue();
  const now = new Date();
  const times = { now, leasedUntil: new Date(now.getTime() + 30_000) };
  const all = { most: 512, usualRoom: EVENTS, room: new Map(), spent: new Map() };
  const leased = await queue.lease({ ...times, ...all });
  expect(leased.map(({ endpointSequence }) => Number(endpointSequence)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: DELIVERIES }, (_, index) => Math.floor(index / ENDPOINTS) + 1),
  );
  const attempt = { at: now.toISOString(), responseStatus: 200, error: null, durationMs: 1 };
  const recorded = leased.map((delivery) => outcomes.record(delivery, attempt, { kind: 'delivered' }));
  expect(new Set(await Promise.all(recorded))).toEqual(new Set([true]));
  expect(await countRows('delivered')).toBe(DELIVERIES);
  expect([statements(/UPDATE audit\.delivery/), statements(/e\.sequence = ANY/)]).toEqual([2, 1]);
});

function ownQueue(): { queue: DeliveryQueue; outcomes: DeliveryOutcomes } {
  const [logger, config] = [new Logger('audit', 'silent'), new AuditConfig(ENVIRONMENT)];
  const endpoints = new EndpointStore(audit.database, new EndpointSecrets(audit.database, logger, config));
  return {
    queue: new DeliveryQueue(audit.database, new SubjectKeys(audit.database, logger, config)),
    outcomes: new DeliveryOutcomes(audit.database, endpoints, new EndpointEvents(audit.stream, config)),
  };
}

describe('an endpoint', () => {
  let receiver: Server;
  let [connections, requests, underWay, mostUnderWay] = [0, 0, 0, 0];

  /** Resolves with its URL. */
  async function receive(statusOf: (request: number) => number | null): Promise<string> {
    [connections, requests, underWay, mostUnderWay] = [0, 0, 0, 0];
    receiver = createServer((request, response) => {
      mostUnderWay = Math.max(mostUnderWay, (underWay += 1));
      response.on('finish', () => (underWay -= 1));
      request.resume().on('end', () => {
        const status = statusOf((requests += 1));
        if (status !== null) response.writeHead(status).end();
      });
    }).on('connection', () => (connections += 1));
    await once(receiver.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  }

  beforeEach(async () => void (audit = await startAudit(server, { leaseMs: 600_000 })));
  afterEach(async () => {
    receiver.closeAllConnections();
    await once(receiver.close(), 'close');
  });

  test('gets a hundred deliveries through a few connections, four at a time', async () => {
    await register(await receive(() => 200));
    await append(100);
    await until('all of them', async () => (await countRows('delivered')) === 100);
    expect([requests, mostUnderWay <= 4, connections <= 10]).toEqual([100, true, true]);
  });

  test('that answers 410 gets no more than what was under way, however much was leased', async () => {
    const { id } = (await register(await receive((request) => (request <= 40 ? 200 : 410)))).body;
    await append(100);
    await until('its end', async () => (await audit.call('GET', `/v1/webhooks/${id}`)).body.disabled);
    await until('all outcomes', async () => (await countRows('pending')) === 0);
    // Three others may have been under way.
    expect(await countRows('delivered')).toBeGreaterThanOrEqual(37);
    expect(requests).toBeLessThanOrEqual(44);
  });

  test('that begins to fail is tried with everything that was leased: it is given back, not forgotten', async () => {
    await register(await receive((request) => (request <= 20 ? 200 : 500)));
    await append(60);
    await until('the first attempt of each', async () => (await countRows('retrying')) === 40);
  });

  test('keeps no more than what is under way from other replicas when this one stops', async () => {
    await audit.stop();
    const database = await createTestDatabase(server);
    audit = await startAudit(server, { leaseMs: 600_000, attemptTimeoutMs: 2_000 }, { databaseUrl: database.url });
    await register(await receive((request) => (request <= 40 ? 200 : null)));
    await append(100);
    await until('a silence', () => requests >= 44);
    await audit.stop();
    audit = await startAudit(server, { maxAttempts: 0 }, { databaseUrl: database.url });
    const leased = 'SELECT FROM audit.delivery WHERE next_attempt_at > now()';
    expect((await audit.rows(leased)).length).toBeLessThanOrEqual(4);
    expect(await countRows('pending')).toBeGreaterThan(4);
    await audit.stop();
    await database.drop();
    audit = await startAudit(server);
  });
});
