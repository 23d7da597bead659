import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { startPostgres, type TestServer } from '@countersign/testing';
import { Receiver, exchangeEvent, startAudit, until, type AuditUnderTest } from '../audit.fixture';

const ORIGIN = 'sts.countersign.test';

let server: TestServer;
let audit: AuditUnderTest;
const receivers: Receiver[] = [];

beforeAll(async () => {
  server = await startPostgres();
  audit = await startAudit(server);
});
afterEach(async () => {
  for (const { id } of (await audit.call('GET', '/v1/webhooks')).body.items) {
    await audit.call('DELETE', `/v1/webhooks/${id}`);
  }
  await Promise.all(receivers.splice(0).map((receiver) => receiver.stop()));
});
afterAll(async () => {
  await audit.stop();
  await server.stop();
});

async function receiving(answer: (response: ServerResponse, headers: IncomingHttpHeaders) => void) {
  const receiver = new Receiver((response, { headers }) => answer(response, headers));
  receivers.push(receiver);
  return { receiver, url: await receiver.start() };
}

const granted = { types: ['dev.countersign.exchange.granted.v1'] };
const register = (url: string, more: object = {}) => audit.call('POST', '/v1/webhooks', { url, ...granted, ...more });

describe('a webhook with a handshake', () => {
  const agreeing = (headers: Record<string, string>, status = 200) =>
    receiving((response) => void response.writeHead(status, headers).end('words of the receiver'));

  test('asks the receiver first, keeps to the rate it allows, and names us in each delivery', async () => {
    const { receiver, url } = await agreeing({ 'webhook-allowed-origin': ORIGIN, 'webhook-allowed-rate': '600' });
    const { status, body } = await register(url, { handshake: true, maxPerSecond: 20 });
    expect([status, body]).toEqual([201, expect.objectContaining({ handshake: true, maxPerSecond: 10 })]);
    expect(receiver.received[0]).toMatchObject({
      body: '',
      headers: { 'webhook-request-origin': ORIGIN, 'webhook-request-rate': '1200' },
    });
    expect(receiver.received[0]?.headers).not.toHaveProperty('webhook-signature');
    await audit.stream.append('audit', exchangeEvent());
    await until('the delivery', () => receiver.received.length === 2);
    expect(receiver.received[1]?.headers['webhook-request-origin']).toBe(ORIGIN);
  });

  test('asks again before it is enabled and before it may be faster', async () => {
    const answers: Record<string, string>[] = [
      { 'webhook-allowed-origin': '*' },
      {},
      { 'webhook-allowed-origin': '*' },
    ];
    const { receiver, url } = await receiving((response) => void response.writeHead(200, answers.shift()).end());
    const path = `/v1/webhooks/${(await register(url, { handshake: true })).body.id}`;
    expect((await audit.call('PATCH', path, { disabled: true })).body.disabled).toBe(true);
    expect((await audit.call('PATCH', path, { disabled: false })).status).toBe(422);
    expect((await audit.call('GET', path)).body.disabled).toBe(true);
    const faster = await audit.call('PATCH', path, { disabled: false, maxPerSecond: 100 });
    expect(faster.body).toMatchObject({ disabled: false, maxPerSecond: 100 });
    expect(receiver.received).toHaveLength(3);
  });

  test.each<[string, Record<string, string>, number]>([
    ['does not name us', {}, 200],
    ['names somebody else', { 'webhook-allowed-origin': 'example.com' }, 200],
    ['redirects', { 'webhook-allowed-origin': '*', location: 'http://169.254.169.254/' }, 307],
    ['knows no OPTIONS', { 'webhook-allowed-origin': '*' }, 405],
    ['allows next to nothing', { 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '1' }, 200],
  ])('is refused with 422 when the receiver %s, and nothing of its answer is shown', async (_, headers, status) => {
    const { url } = await agreeing(headers, status);
    const answer = await register(url, { handshake: true });
    expect(answer.status).toBe(422);
    expect(answer.body.errors).toContainEqual(expect.objectContaining({ path: '/url', code: 'handshake_failed' }));
    expect(JSON.stringify(answer.body)).not.toMatch(/words of the receiver|169\.254/);
    expect((await audit.call('GET', '/v1/webhooks')).body.items).toEqual([]);
  });

  test('is refused with 422 when nobody is there', async () => {
    const { receiver, url } = await agreeing({});
    await receiver.stop();
    expect((await register(url, { handshake: true })).status).toBe(422);
  });
});

test('WHK-14: a backlog goes out no faster than the endpoint wants, and others do not wait for it', async () => {
  const now = audit.clock.now();
  jest.spyOn(audit.clock, 'now').mockImplementation(() => now + audit.clock.added);
  try {
    const slow = await receiving((response) => void response.writeHead(200).end());
    const other = await receiving((response) => void response.writeHead(200).end());
    const { id } = (await register(slow.url, { maxPerSecond: 3 })).body;
    await register(other.url, { maxPerSecond: 1_000 });
    await Promise.all(Array.from({ length: 20 }, () => audit.stream.append('audit', exchangeEvent())));
    await until('all of the other', () => other.receiver.received.length === 20);
    await until('its second', () => slow.receiver.received.length === 3);
    audit.clock.added += 1_000;
    await until('the next second', () => slow.receiver.received.length === 6);
    expect((await audit.call('PATCH', `/v1/webhooks/${id}`, { maxPerSecond: 1_000 })).body.maxPerSecond).toBe(1_000);
    await until('the rest', () => slow.receiver.received.length === 20);
  } finally {
    jest.restoreAllMocks();
  }
});

test('a webhook in the format of OpenFaaS gets its headers, a list of one event, and a signature in hex', async () => {
  const { receiver, url } = await receiving((response) => void response.writeHead(202).end());
  const { id, secret } = (await register(url, { format: 'openfaas' })).body;
  const event = exchangeEvent();
  await audit.stream.append('audit', event);
  await until('the delivery', () => receiver.received.length === 1);
  const { headers, body = '' } = receiver.received[0] ?? {};
  expect(JSON.parse(body)).toEqual([
    expect.objectContaining({ ...(await audit.call('GET', `/v1/events/${event.id}`)).body, endpointsequence: '1' }),
  ]);
  const { items } = (await audit.call('GET', `/v1/webhooks/${id}/deliveries`)).body;
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'x-openfaas-event': event.type,
    'x-openfaas-delivery': items[0].id,
    'x-openfaas-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  });
  expect(headers).not.toHaveProperty('webhook-signature');
});

test.each<[string, object, string]>([
  ['a format that there is not', { format: 'xml' }, '/format'],
  ['no deliveries at all', { maxPerSecond: 0 }, '/maxPerSecond'],
  ['a flood', { maxPerSecond: 1_001 }, '/maxPerSecond'],
  ['a handshake that is no yes or no', { handshake: 'yes' }, '/handshake'],
])('refuses %s with 422 and its place', async (_, more, path) => {
  const { status, body } = await register('https://receiver.test/', more);
  expect([status, body.errors]).toEqual([422, [expect.objectContaining({ path, code: 'invalid_value' })]]);
});
