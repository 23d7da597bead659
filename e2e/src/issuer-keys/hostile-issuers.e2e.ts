import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { IssuerStatus } from '@countersign/contracts';
import {
  eventually,
  generous,
  selfSigned,
  startLocalIssuer,
  type Certificate,
  type LocalIssuer,
  type Stack,
} from '@countersign/testing';
import { admin, apply, exchangeOnce, startTestStack } from '../support/client';
import { githubClaims, type Spec } from '../support/documents';
import { startConnectProxy, type ConnectProxy } from './connect-proxy';
import { startRawIssuer, type RawIssuer, type Serve } from './raw-issuer';
import { outcome, refresh, statusOf, tokenOf, trusted } from './trusted';

const DAY_MS = 86_400_000;
const MEGABYTE = 1024 * 1024;

const stops: (() => Promise<void>)[] = [];
let stack: Stack;
let good: LocalIssuer;
let proxy: ConnectProxy;
const behindProxy = new Map<string, () => number>();

async function keep<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
  const started = await starting;
  stops.push(() => started.stop());
  return started;
}

beforeAll(async () => {
  proxy = await keep(startConnectProxy(behindProxy));
  stack = await keep(startTestStack({ env: { COUNTERSIGN_HTTPS_PROXY: proxy.url } }));
  good = await keep(startLocalIssuer());
  await apply(stack, trusted('good', good.iss));
});

afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

const state = ({ state: name, lastError }: IssuerStatus) => ({ state: name, lastError });

/** Registers the issuer and expects that its tokens are 503, whatever they are, the status that says why, and one event. */
async function expectUnusable(name: string, iss: string, expected: object, spec: Spec = {}): Promise<void> {
  await apply(stack, trusted(name, iss, spec));
  const token = await good.sign(githubClaims(iss));
  const answer = await eventually(async () => {
    const { status, body, headers } = await exchangeOnce(stack, token);
    expect(status).toBe(503);
    return { body, retryAfter: Number(headers.get('retry-after')) };
  });
  expect(answer.body).toMatchObject({ error: 'temporarily_unavailable' });
  expect(answer.retryAfter).toBeGreaterThan(0);
  expect(state(await statusOf(stack, name))).toMatchObject(expected);
  await eventually(async () => {
    const type = 'dev.countersign.issuer.unreachable.v1';
    const { body } = await admin(stack, 'GET', `/v1/events?type=${type}&issuer=${name}`);
    expect(body.items).toMatchObject([{ data: { issuer: name, iss, error: expect.any(String) } }]);
  });
}

const noJwks: Serve = (_request, response) => void response.end('{"keys":[]}');

describe('an issuer whose metadata lead astray has no keys, and nobody is called', () => {
  let trap: RawIssuer;

  beforeAll(async () => {
    trap = await keep(startRawIssuer(noJwks));
  });

  it.each<[string, string, (iss: string) => unknown]>([
    ['JWK-04', 'names another issuer', (iss) => ({ issuer: `${iss}/`, jwks_uri: `${trap.iss}/jwks` })],
    ['JWK-04', 'names another issuer', () => ({ issuer: trap.iss, jwks_uri: `${trap.iss}/jwks` })],
    ['JWK-04', 'names another issuer', () => ({ jwks_uri: `${trap.iss}/jwks` })],
    ['no jwks_uri', 'has no jwks_uri', (iss) => ({ issuer: iss })],
    ['no text', 'has no jwks_uri', (iss) => ({ issuer: iss, jwks_uri: [`${trap.iss}/jwks`] })],
    ['no object', 'is not a JSON object', () => ['x']],
    ['http', 'scheme', (iss) => ({ issuer: iss, jwks_uri: 'http://issuer.test/jwks' })],
    ['http, private', 'scheme', (iss) => ({ issuer: iss, jwks_uri: 'http://10.0.0.1/jwks' })],
    ['private', 'address', (iss) => ({ issuer: iss, jwks_uri: 'https://10.0.0.1/jwks' })],
    ['private IPv6', 'address', (iss) => ({ issuer: iss, jwks_uri: 'https://[fd00::1]/jwks' })],
    ['metadata service', 'address', (iss) => ({ issuer: iss, jwks_uri: 'https://169.254.169.254/jwks' })],
    ['odd spelling', 'address', (iss) => ({ issuer: iss, jwks_uri: 'https://0xa000001/jwks' })],
    ['file', 'scheme', (iss) => ({ issuer: iss, jwks_uri: 'file:///etc/passwd' })],
    ['data', 'scheme', (iss) => ({ issuer: iss, jwks_uri: 'data:application/json,{}' })],
    ['user', 'userinfo', (iss) => ({ issuer: iss, jwks_uri: 'https://a:b@issuer.test/jwks' })],
    ['endless', 'url', (iss) => ({ issuer: iss, jwks_uri: `https://issuer.test/${'a'.repeat(100_000)}` })],
  ])('%s: %s (JWK-06) %#', async (_, said, metadata) => {
    const issuer = await keep(startRawIssuer(noJwks, metadata));
    const before = proxy.tunnels.length;
    const name = `astray-${new URL(issuer.iss).port}`;
    await expectUnusable(name, issuer.iss, { state: 'invalid', lastError: expect.stringContaining(said) });
    expect((await statusOf(stack, name)).lastError?.length).toBeLessThan(400);
    expect({ trap: trap.asked, tunnels: proxy.tunnels.length }).toEqual({ trap: [], tunnels: before });
  });

  it.each(['discovery', 'jwks'] as const)('a redirect of its %s is not followed (JWK-05)', async (path) => {
    const issuer = await keep(startLocalIssuer());
    issuer.fail({ redirect: `${trap.iss}/jwks` }, path);
    await expectUnusable(`redirect-${path}`, issuer.iss, {
      state: 'invalid',
      lastError: expect.stringContaining('redirect'),
    });
    expect(trap.asked).toEqual([]);
  });
});

describe('an issuer whose keys are a weapon has none, and is given up in time', () => {
  let sent = 0;

  const endless = (response: ServerResponse, chunk: Buffer): void => {
    const more = (): void => {
      while (!response.destroyed && response.write(chunk)) sent += chunk.length;
    };
    response.on('drain', more);
    more();
  };

  const drip = (response: ServerResponse): void => {
    const timer = setInterval(() => response.write(' '), 200);
    response.on('close', () => clearInterval(timer));
  };

  const weapons: [string, object, Serve][] = [
    [
      'endless',
      { state: 'invalid', lastError: expect.stringContaining('too_large') },
      (_, response) => endless(response, Buffer.alloc(65_536, ' ')),
    ],
    [
      'ten-gigabytes',
      { state: 'invalid', lastError: expect.stringContaining('too_large') },
      (_, response) => endless(response.writeHead(200, { 'content-length': '10737418240' }), Buffer.alloc(65_536, ' ')),
    ],
    [
      'bomb',
      { state: 'invalid', lastError: expect.stringContaining('encoding') },
      (_, response) =>
        void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(64 * MEGABYTE, ' '))),
    ],
    ['hang', { state: 'unreachable', lastError: expect.stringContaining('timeout') }, () => undefined],
    ['drip', { state: 'unreachable', lastError: expect.stringContaining('timeout') }, (_, response) => drip(response)],
    [
      'header-drip',
      { state: 'unreachable', lastError: expect.stringContaining('timeout') },
      ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\nx-slow: '),
    ],
  ];

  const residentBytes = async (): Promise<number> => {
    const [discovery] = stack.replicasOf('discovery');
    const text = await (await fetch(`${discovery?.managementUrl}/metrics`)).text();
    return Number(/^countersign_process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
  };

  it('within seconds, all at once, in little memory, while other issuers work (JWK-11, JWK-12, JWK-13, R-22)', async () => {
    const issuers = await Promise.all(weapons.map(([, , jwks]) => keep(startRawIssuer(jwks))));
    const before = await residentBytes();
    const start = performance.now();
    let isOver = false;
    const attack = Promise.all(
      weapons.map(([name, expected], i) => expectUnusable(name, issuers[i]?.iss ?? '', expected)),
    ).finally(() => (isOver = true));
    let slowest = 0;
    while (!isOver) {
      const began = performance.now();
      expect(await outcome(stack, tokenOf(good))).toBe('200');
      slowest = Math.max(slowest, performance.now() - began);
    }
    await attack;
    expect(slowest).toBeLessThan(generous(2_000));
    expect(performance.now() - start).toBeLessThan(generous(20_000));
    expect((await residentBytes()) - before).toBeLessThan(64 * MEGABYTE);
    expect(sent).toBeLessThan(64 * MEGABYTE);
  });
});

describe('TLS of an issuer', () => {
  const over = (tls: Certificate): Promise<LocalIssuer> => keep(startLocalIssuer({ tls }));

  it('works with the authority that its document names, and only with that one (JWK-23)', async () => {
    const certificate = selfSigned(['localhost']);
    const issuer = await over(certificate);
    await apply(stack, trusted('private-ca', issuer.iss, { caCertificate: certificate.cert }));
    await eventually(async () => expect(await outcome(stack, tokenOf(issuer))).toBe('200'));
    const tls = { state: 'unreachable', lastError: expect.stringContaining('tls') };
    const other = await over(certificate);
    await expectUnusable('other-ca', other.iss, tls, { caCertificate: selfSigned(['localhost']).cert });
  });

  it.each<[string, () => Certificate, boolean]>([
    ['self-signed', () => selfSigned(['localhost']), false],
    ['expired', () => selfSigned(['localhost'], -2 * DAY_MS, -DAY_MS), true],
    ['not-yet-valid', () => selfSigned(['localhost'], DAY_MS, 2 * DAY_MS), true],
  ])('is refused when it is %s (JWK-23)', async (name, certificate, isNamed) => {
    const tls = certificate();
    const issuer = await over(tls);
    const spec = isNamed ? { caCertificate: tls.cert } : {};
    await expectUnusable(name, issuer.iss, { state: 'unreachable', lastError: expect.stringContaining('tls') }, spec);
  });
});

describe('through the proxy of COUNTERSIGN_HTTPS_PROXY', () => {
  it('an issuer is reached, its own TLS verified for its name; an issuer on this machine is not asked of it', async () => {
    const tls = selfSigned(['issuer.test']);
    const issuer = await keep(startLocalIssuer({ iss: 'https://issuer.test', tls }));
    const port = Number(new URL(issuer.url).port);
    for (const name of ['issuer.test:443', 'wrong.test:443']) behindProxy.set(name, () => port);
    const keys = { jwksUri: 'https://issuer.test/jwks', caCertificate: tls.cert };
    await apply(stack, trusted('proxied', issuer.iss, keys));
    await eventually(async () => expect(await outcome(stack, tokenOf(issuer))).toBe('200'));
    expect(new Set(proxy.tunnels)).toEqual(new Set(['issuer.test:443']));
    const tunnels = proxy.tunnels.length;
    await refresh(stack, 'good');
    expect(proxy.tunnels).toHaveLength(tunnels);
    const wrong = { jwksUri: 'https://wrong.test/jwks', caCertificate: tls.cert };
    const tlsError = { state: 'unreachable', lastError: expect.stringContaining('tls') };
    await expectUnusable('wrong-name', 'https://wrong.test', tlsError, wrong);
    await expectUnusable('refused', 'https://refused.test', { state: 'unreachable' });
  });
});
