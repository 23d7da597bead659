import { randomBytes } from 'node:crypto';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Get, Module, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import {
  AdminAccess,
  Logger,
  Public,
  ServiceConfig,
  startService,
  UnavailableError,
  type RunningService,
} from './index';

@Controller()
class Probe {
  @Get('closed')
  closed(): void {}

  @Public()
  @Get('slow')
  slow(): Promise<object> {
    return delay(100, {});
  }

  @Public()
  @Get('fault')
  fault(): void {
    throw new Error('relation "policy.document" does not exist, at /app/apps/policy/dist/x.js');
  }

  @Public()
  @Get('lost')
  lost(): void {
    throw new UnavailableError('postgres');
  }

  @Public()
  @Post('oauth2/token')
  token(@Req() { ip, body }: FastifyRequest): object {
    return { ip, body };
  }
}

@Module({ controllers: [Probe] })
class ProbeModule {}

/** Something that a service needs. */
class Needed {
  isThere = true;
  ping = async (): Promise<void> => {
    if (!this.isThere) throw new UnavailableError('postgres');
  };
}

class NoAccess extends AdminAccess {
  verificationKeys = async () => [];
  isAllowed = async () => false;
  isRevoked = async () => false;
}

const lines: string[] = [];
const needed = new Needed();

function start(env: Record<string, string> = {}): Promise<RunningService> {
  const config = new ServiceConfig({
    COUNTERSIGN_PUBLIC_URL: 'https://sts.test',
    COUNTERSIGN_HOST: '127.0.0.1',
    COUNTERSIGN_PORT: '0',
    COUNTERSIGN_ADMIN_TOKEN: randomBytes(32).toString('hex'),
    ...env,
  });
  const logger = new Logger('probe', 'warn', (line) => void lines.push(line));
  return startService({
    name: 'probe',
    config,
    logger,
    modules: [ProbeModule],
    provide: [
      [AdminAccess, new NoAccess()],
      [Needed, needed],
    ],
  });
}

/** Sends bytes as they are; resolves with everything that came until the server closed. */
const raw = (url: string, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('error', reject).on('close', () => resolve(answer));
  });

let service: RunningService;

beforeAll(async () => (service = await start()));
afterAll(() => service.stop());

describe('ADM-20: what is not proper HTTP is refused with 400, and its connection closed', () => {
  const post = 'POST /oauth2/token HTTP/1.1\r\nHost: a\r\n';

  it.each([
    ['a length and chunks', `${post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['two lengths', `${post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`],
    ['a folded header', 'GET /slow HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n'],
    ['a header of 64 KB', `GET /slow HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(65_536)}\r\n\r\n`],
    ['NUL in the path', 'GET /slow\u0000 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['no method we know', 'BREW /slow HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a path that cannot be decoded', 'GET /%ZZ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ])('%s', async (_, bytes) => {
    const answer = await raw(service.url, bytes);
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(answer.toLowerCase()).toMatch(/\r\nx-request-id: [0-9a-f-]{36}\r\n/);
    expect(answer.toLowerCase()).toContain('\r\ncontent-type: application/problem+json');
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({
      status: 400,
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(answer).not.toContain('ZZ');
  });
});

it.each([
  ['an answer', '/health/live', 200],
  ['a refusal', '/closed', 403],
  ['a path that is not there', '/nothing', 404],
  ['a path that cannot be decoded', '/%ZZ', 400],
])('ADM-11: %s is not to be kept, framed, sniffed or run', async (_, path, status) => {
  const answer = await fetch(service.url + path);
  expect(answer.status).toBe(status);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'permissions-policy': expect.any(String),
    'referrer-policy': 'no-referrer',
    'strict-transport-security': expect.stringContaining('max-age='),
    'x-content-type-options': 'nosniff',
    'x-request-id': expect.any(String),
  });
  expect(answer.headers.has('x-powered-by')).toBe(false);
  expect(answer.headers.has('access-control-allow-origin')).toBe(false);
});

it.each<[string, number, string, string]>([
  ['JSON that cannot be read', 400, 'application/json', '{'],
  ['more than a megabyte', 413, 'application/x-www-form-urlencoded', 'x'.repeat(1_100_000)],
  ['no media type', 415, ';;;', 'x'],
])('STS-22: %s at an OAuth endpoint is an OAuth error', async (_, status, type, body) => {
  const answer = await fetch(`${service.url}/oauth2/token`, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
  });
  expect({ status: answer.status, cache: answer.headers.get('cache-control') }).toEqual({ status, cache: 'no-store' });
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  expect(await answer.json()).toEqual({
    error: 'invalid_request',
    error_description: expect.any(String),
    trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
});

it.each([
  ['/fault', 500, 'internal', 'Something failed on our side.'],
  ['/lost', 503, 'unavailable', 'A dependency does not answer; try again.'],
])('ADM-15: a failure of ours says no more than that it is one: %s', async (path, status, code, detail) => {
  const answer = await fetch(service.url + path);
  expect({ status: answer.status, retryAfter: answer.headers.has('retry-after') }).toEqual({
    status,
    retryAfter: status === 503,
  });
  expect(await answer.json()).toEqual({
    type: `https://countersign.dev/problems/${code}`,
    title: expect.any(String),
    status,
    detail,
    traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
});

it.each([
  ['/fault', 500],
  ['/lost', 503],
])('the log line of a request that failed has the trace id that its caller was told: %s', async (path, status) => {
  const answers = await Promise.all([fetch(service.url + path), fetch(service.url + path)]);
  const told = await Promise.all(answers.map(async (answer) => ((await answer.json()) as { traceId: string }).traceId));
  expect(answers.map((answer) => answer.status)).toEqual([status, status]);
  expect(new Set(told).size).toBe(2);
  const logged = lines.map((line) => (JSON.parse(line) as { traceId?: string }).traceId);
  expect(logged).toEqual(expect.arrayContaining(told));
});

it.each([
  ['build-42/a.b:c', true],
  ['x'.repeat(128), true],
  ['x'.repeat(129), false],
  ['a b', false],
  ['<script>', false],
])('the request id %p is echoed: %p', async (id, isEchoed) => {
  const { headers } = await fetch(`${service.url}/health/live`, { headers: { 'x-request-id': id } });
  expect(headers.get('x-request-id') === id).toBe(isEchoed);
});

it.each(['/metrics', '/health', '/debug', '/docs', '/graphql', '/.git/config', '/swagger-json'])(
  'ADM-17: %s is not public',
  async (path) => expect((await fetch(service.url + path)).status).toBe(404),
);

it('R-09: what is missing is told by name, as a metric too, and the service is not ready', async () => {
  const one = await start({ COUNTERSIGN_MANAGEMENT_PORT: '0' });
  const look = async (): Promise<unknown> => {
    const { status } = await fetch(`${one.url}/health/ready`);
    const health = (await (await fetch(`${one.managementUrl}/health`)).json()) as { checks: Record<string, string> };
    const metrics = await (await fetch(`${one.managementUrl}/metrics`)).text();
    return [status, health.checks, /^countersign_health_check_ok\{check="Needed"\} (\d)$/m.exec(metrics)?.[1]];
  };
  expect(await look()).toEqual([200, { Needed: 'ok' }, '1']);
  needed.isThere = false;
  expect(await look()).toEqual([503, { Needed: 'failed' }, '0']);
  needed.isThere = true;
  expect(await look()).toEqual([200, { Needed: 'ok' }, '1']);
  await one.stop();
});

it.each([
  ['a stranger', '', '127.0.0.1'],
  ['another proxy than ours', '10.0.0.0/8', '127.0.0.1'],
  ['our proxy', '127.0.0.0/8', '203.0.113.7'],
])('ADM-21: X-Forwarded-For from %s', async (_, trusted, expected) => {
  const one = await start({ COUNTERSIGN_TRUSTED_PROXIES: trusted });
  const headers = { 'x-forwarded-for': '203.0.113.7', 'content-type': 'text/plain' };
  const answer = await fetch(`${one.url}/oauth2/token`, { method: 'POST', headers, body: 'x' });
  expect(await answer.json()).toMatchObject({ ip: expected });
  await one.stop();
});

describe('R-25: a stop', () => {
  it('costs clients that keep their connections not one request, and lets them go', async () => {
    const one = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 10 });
    const request = (): Promise<{ status?: number | undefined; connection?: string | undefined; error?: string }> =>
      new Promise((resolve) =>
        get(`${one.url}/slow`, { agent }, (answer) =>
          answer.resume().on('end', () => {
            resolve({ status: answer.statusCode, connection: answer.headers.connection });
          }),
        ).on('error', ({ code }: NodeJS.ErrnoException) => resolve({ error: code ?? 'error' })),
      );
    const answers: Awaited<ReturnType<typeof request>>[] = [];
    const clients = Array.from({ length: 10 }, async () => {
      // Told to leave, a load balancer goes elsewhere.
      for (let last = ''; last !== 'close';) {
        const answer = await request();
        answers.push(answer);
        last = answer.error === undefined ? (answer.connection ?? '') : 'close';
      }
    });
    await request();
    await one.stop();
    await Promise.all(clients);
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(answers.filter(({ connection }) => connection === 'close')).toHaveLength(10);
  });

  it('is first of all not to be ready any more', async () => {
    const one = await start();
    const kept = await fetch(`${one.url}/health/ready`);
    expect(kept.status).toBe(200);
    const stopped = one.stop();
    expect((await fetch(`${one.url}/health/ready`)).status).toBe(503);
    await stopped;
  });

  it('does not wait for a client that says nothing, or half of something', async () => {
    const one = await start();
    const silent = raw(one.url, '');
    const half = raw(one.url, 'GET /slow HTTP/1.1\r\nHost: a\r\nX: ').catch(() => 'cut off');
    await fetch(`${one.url}/health/live`);
    await one.stop();
    await Promise.all([silent, half]);
  });
});
