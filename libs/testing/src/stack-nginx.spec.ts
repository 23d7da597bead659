import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './servers/server-process';
import type { TestServer } from './servers/test-server';
import { startNginx } from './stack-nginx';

const UPSTREAMS = ['exchange', 'policy', 'audit', 'discovery'];
let folder: string;
let nginx: TestServer;
const servers: Server[] = [];

/** Answers with what reached it; `/oauth2/down` is a replica that dies in the middle. */
async function startUpstream(name: string): Promise<[string, string[]]> {
  const server = createServer((incoming, response) => {
    if (incoming.url === '/oauth2/down') return void incoming.socket.destroy();
    const { headers, url } = incoming;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ name, url, headers }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return [name, [`127.0.0.1:${(server.address() as AddressInfo).port}`]];
}

interface Answer {
  status: number;
  type: string | undefined;
  body: Record<string, unknown>;
}

/** Sends the path as it is: fetch would normalise it. */
async function send(path: string, init: { method?: string; headers?: object; body?: string } = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = init;
  const outgoing = request({ port: nginx.port, host: '127.0.0.1', path, method, headers: { ...headers } });
  outgoing.on('error', () => undefined);
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, type: response.headers['content-type'], body: JSON.parse(text) };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-stack-nginx-'));
  const upstreams = new Map(await Promise.all(UPSTREAMS.map(startUpstream)));
  nginx = await startNginx({ folder, port: await freePort(), upstreams });
});

afterAll(async () => {
  await nginx?.stop();
  for (const server of servers) server.close().closeAllConnections();
  await rm(folder, { recursive: true, force: true });
});

test.each([
  ['exchange', '/oauth2/token'],
  ['exchange', '/oauth/token'],
  ['exchange', '/oauth2/jwks'],
  ['exchange', '/.well-known/openid-configuration'],
  ['exchange', '/.well-known/oauth-authorization-server'],
  ['exchange', '/.well-known/oauth-protected-resource'],
  ['exchange', '/v1/revocations/1'],
  ['exchange', '/v1/signing-keys/rotate?emergency=true'],
  ['exchange', '/health/live'],
  ['exchange', '/health/ready'],
  ['policy', '/v1/resources/Role/deploy'],
  ['policy', '/v1/apply?dryRun=true'],
  ['policy', '/v1/revisions/1/restore'],
  ['policy', '/v1/lint'],
  ['policy', '/v1/explain'],
  ['policy', '/v1/simulate'],
  ['policy', '/v1/who-can'],
  ['policy', '/access/v1/evaluations'],
  ['policy', '/.well-known/authzen-configuration'],
  ['audit', '/v1/events?type=a%2Fb'],
  ['audit', '/v1/events/1/proof'],
  ['audit', '/v1/events/stream?x=1'],
  ['audit', '/v1/webhooks/1/test'],
  ['audit', '/v1/deliveries/1/redeliver'],
  ['audit', '/v1/checkpoint'],
  ['audit', '/v1/tile/0/000'],
  ['discovery', '/v1/issuers/github/status'],
])('%s gets %s unchanged', async (name, path) => {
  expect(await send(path)).toMatchObject({ status: 200, body: { name, url: path } });
});

test.each(['exchange', 'policy', 'audit', 'discovery'])(
  '/openapi/%s.json is what that service describes',
  async (name) => {
    expect((await send(`/openapi/${name}.json`)).body).toMatchObject({ name, url: '/openapi.json' });
  },
);

test.each([
  '/',
  '/metrics',
  '/health',
  '/health/live/x',
  '/v1',
  '/v1/resourcesx',
  '/v1/events/../../metrics',
  '/oauth2/%2e%2e/metrics',
  '/oauth2',
  '/openapi/standalone.json',
  '/.git/config',
  '/docs',
])('%s reaches no service and is a problem document', async (path) => {
  const answer = await send(path);
  expect(answer).toMatchObject({ status: 404, type: 'application/problem+json', body: { title: 'Not found' } });
  expect(answer.body.traceId).toMatch(/^[0-9a-f]{32}$/);
});

test('a service sees the address of the peer, whatever addresses the client sent', async () => {
  const forged = { 'x-forwarded-for': '10.0.0.1', 'x-real-ip': '10.0.0.1', forwarded: 'for=10.0.0.1' };
  const { headers } = (await send('/oauth2/token', { headers: forged })).body as { headers: Record<string, string> };
  expect(headers).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' });
  expect(JSON.stringify(headers)).not.toContain('10.0.0.1');
});

test.each([
  ['/v1/apply', 413, 'application/problem+json', { status: 413 }],
  ['/oauth2/token', 413, 'application/json', { error: 'invalid_request' }],
])('more than 1 MB to %s is refused in the words of that protocol', async (path, status, type, body) => {
  expect(await send(path, { method: 'POST', body: 'x'.repeat(1024 * 1024 + 1) })).toMatchObject({ status, type, body });
});

test('a token endpoint that is lost in the middle is 503 temporarily_unavailable', async () => {
  const answer = await send('/oauth2/down', { method: 'POST', body: 'grant_type=x' });
  expect(answer).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } });
});

test('the access log has no query string', async () => {
  await send('/v1/events?access_token=a-secret');
  await nginx.restart();
  const log = await readFile(join(folder, 'access.log'), 'utf8');
  expect(log).toContain('"path":"/v1/events"');
  expect(log).not.toContain('a-secret');
  for (const line of log.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('status');
});
