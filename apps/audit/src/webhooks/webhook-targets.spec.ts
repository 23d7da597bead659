import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { DeliveryAnswer } from '@countersign/contracts';
import { selfSigned, startPostgres, type TestServer } from '@countersign/testing';
import { Receiver, exchangeEvent, startAudit, until, type AuditUnderTest } from '../audit.fixture';

let server: TestServer;
let audit: AuditUnderTest;
beforeAll(async () => void (server = await startPostgres()));
afterAll(() => server.stop());

const register = (url: string, more: object = {}) =>
  audit.call('POST', '/v1/webhooks', { url, types: ['dev.countersign.exchange.granted.v1'], ...more });
const deliveries = async (id: string): Promise<DeliveryAnswer[]> =>
  (await audit.call('GET', `/v1/webhooks/${id}/deliveries`)).body.items;
const attempted = (id: string) =>
  until('an attempt', async () => (await deliveries(id)).find(({ attempts }) => attempts.length > 0));

describe('a deployment that allows no private addresses', () => {
  let listener: Server;
  let connections = 0;
  let addresses: string[] = [];
  let port = 0;

  beforeAll(async () => {
    listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    port = (listener.address() as AddressInfo).port;
    const resolve = () => Promise.resolve(addresses);
    audit = await startAudit(server, { delays: [] }, { http: { allowLoopback: false, resolve } });
  });
  afterAll(async () => {
    await audit.stop();
    listener.close();
  });
  afterEach(() => expect(connections).toBe(0));

  test.each([
    'https://127.0.0.1:PORT/',
    'https://[::1]:PORT/',
    'https://2130706433:PORT/',
    'https://0x7f.1:PORT/',
    'https://localhost:PORT/',
    'https://10.0.0.1/',
    'https://192.168.1.1/',
    'https://172.16.0.1/',
    'https://100.64.0.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://[fd00:ec2::254]/',
    'https://[::ffff:10.0.0.1]/',
    'https://0177.0.0.1:PORT/',
    'https://①②⑦.⓪.⓪.①:PORT/',
    'https://[64:ff9b::a9fe:a9fe]/',
    'https://[2002:7f00:1::]/',
    'https://168.63.129.16/',
    'https://100.100.100.200/',
    'HTTP://127.0.0.1:PORT/',
    'file:///etc/passwd',
    'gopher://127.0.0.1:PORT/',
    'data:text/plain,x',
    'https://a@127.0.0.1:PORT/',
    'https://127.0.0.1:PORT\\@receiver.test/',
    'https://user:password@receiver.test/',
    'https://[127.0.0.1]:PORT/',
  ])('WHK-01, WHK-03: refuses to register %s with 422, and connects to nothing', async (url) => {
    const { status, body } = await register(url.replace('PORT', String(port)), { handshake: true });
    expect([status, body.errors[0]]).toEqual([422, expect.objectContaining({ path: '/url', code: 'url_not_allowed' })]);
  });

  test.each(['127.0.0.1', '10.0.0.1', '169.254.169.254', '::1'])(
    'WHK-01, WHK-04: does not deliver to a name that later points to %s, and says so of the attempt',
    async (address) => {
      const { id } = (await register(`https://receiver.test:${port}/`)).body;
      addresses = [address];
      await audit.stream.append('audit', exchangeEvent());
      expect((await attempted(id)).attempts[0]).toMatchObject({ responseStatus: null, error: 'address' });
      await audit.call('DELETE', `/v1/webhooks/${id}`);
    },
  );

  test('WHK-01: asks no private address for a handshake either', async () => {
    addresses = ['127.0.0.1'];
    const { status, body } = await register(`https://receiver.test:${port}/`, { handshake: true });
    expect([status, body.errors[0].code]).toEqual([422, 'handshake_failed']);
  });

  test('WHK-06: a test delivery goes nowhere else than a delivery', async () => {
    const { id } = (await register('https://receiver.test/')).body;
    // As if the deployment had allowed the address at first.
    await audit.rows('UPDATE audit.webhook_endpoint SET url = $2 WHERE id = $1', [id, `https://127.0.0.1:${port}/`]);
    const { status, body } = await audit.call('POST', `/v1/webhooks/${id}/test`);
    expect([status, body.errors[0].code]).toEqual([422, 'url_not_allowed']);
  });

  test.each(['allowPrivate', 'insecureSkipVerify', 'tls', 'caCertificate', 'headers', 'secret'])(
    'WHK-07, WHK-21: cannot be talked out of its rules by the field %s',
    async (field) => {
      const { status, body } = await register('https://receiver.test/', { [field]: true });
      expect([status, body.errors[0]]).toEqual([422, expect.objectContaining({ code: 'unknown_field' })]);
    },
  );

  test('WHK-10: every webhook has a secret of its own, of 32 bytes', async () => {
    const secrets = await Promise.all(
      [1, 2, 3].map(async () => (await register('https://receiver.test/')).body.secret),
    );
    expect(new Set(secrets).size).toBe(3);
    for (const secret of secrets) expect(Buffer.from(secret.slice('whsec_'.length), 'base64')).toHaveLength(32);
  });
});

describe('a receiver', () => {
  let receiver: Receiver;
  let answer: (response: ServerResponse, body: string) => void;
  let url: string;
  beforeAll(async () => {
    audit = await startAudit(server, { delays: [5], attemptTimeoutMs: 1_000 });
    receiver = new Receiver((response, { body }) => answer(response, body));
    url = await receiver.start();
  });
  afterAll(async () => {
    await receiver.stop();
    await audit.stop();
  });

  const writing =
    (size: number) =>
    (response: ServerResponse): void => {
      const timer = setInterval(() => response.write('words of the receiver'.repeat(size)), 10);
      response.on('close', () => clearInterval(timer));
    };

  test.each<[string, typeof answer, object]>([
    ['hangs', () => undefined, { status: 'retrying', responseStatus: null, error: 'timeout' }],
    ['drips', writing(1), { status: 'retrying', responseStatus: null, error: 'timeout' }],
    ['answers 200 and never ends', writing(1_000), { status: 'delivered', responseStatus: 200, error: null }],
    ['hangs up', (response) => response.destroy(), { status: 'retrying', responseStatus: null, error: 'connect' }],
    [
      'never ends its headers',
      ({ socket }) => void socket?.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(1_000_000)}`),
      { status: 'retrying', responseStatus: null, error: 'too_large' },
    ],
    [
      'redirects to plain http',
      (response) => response.writeHead(301, { location: 'http://169.254.169.254/' }).end(),
      { status: 'retrying', responseStatus: 301 },
    ],
    [
      'asks for patience',
      (response) => response.writeHead(429, { 'retry-after': '120' }).end('words of the receiver'),
      { status: 'retrying', responseStatus: 429, isPatient: true },
    ],
  ])('WHK-02, WHK-08, WHK-13, WHK-19: that %s', async (_, how, expected) => {
    answer = how;
    const { id } = (await register(url)).body;
    await audit.stream.append('audit', exchangeEvent());
    const found = await attempted(id);
    const [{ at, responseStatus, error } = { at: '', responseStatus: 0, error: '' }] = found.attempts;
    const seconds = (Date.parse(found.nextAttemptAt ?? at) - Date.parse(at)) / 1000;
    expect({ status: found.status, responseStatus, error, isPatient: seconds > 100 }).toMatchObject(expected);
    // Neither words nor secrets of anybody.
    expect(JSON.stringify(found)).not.toMatch(/words of the receiver|whsec_/);
    await audit.call('DELETE', `/v1/webhooks/${id}`);
  });

  test('WHK-21: whose certificate nobody vouches for gets no event', async () => {
    const { cert, key } = selfSigned(['127.0.0.1']);
    const requests: string[] = [];
    const untrusted = createHttpsServer({ cert, key }, ({ url: path }) => requests.push(path ?? ''));
    await once(untrusted.listen(0, '127.0.0.1'), 'listening');
    const { id } = (await register(`https://127.0.0.1:${(untrusted.address() as AddressInfo).port}/`)).body;
    await audit.stream.append('audit', exchangeEvent());
    expect((await attempted(id)).attempts[0]).toMatchObject({ responseStatus: null, error: 'tls' });
    expect(requests).toEqual([]);
    await audit.call('DELETE', `/v1/webhooks/${id}`);
    await once(untrusted.close(), 'close');
  });

  test('WHK-15: that refuses one event gets those after it, and that one is a dead letter in the end', async () => {
    const poison = exchangeEvent();
    answer = (response, body) => void response.writeHead(body.includes(poison.id) ? 400 : 200).end();
    const { id } = (await register(url)).body;
    for (const event of [exchangeEvent(), poison, exchangeEvent(), exchangeEvent()]) {
      await audit.stream.append('audit', event);
    }
    const states = async () => (await deliveries(id)).map(({ status }) => status).reverse();
    await until('the others', async () => (await states()).filter((one) => one === 'delivered').length === 3);
    audit.clock.added += 10_000;
    await until('the dead letter', async () => (await states()).includes('dead'));
    expect((await deliveries(id)).find(({ status }) => status === 'dead')?.eventId).toBe(poison.id);
    expect([...(await states())].sort()).toEqual(['dead', 'delivered', 'delivered', 'delivered']);
  });
});
