import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceConfig, configOf } from '@countersign/platform';
import { embeddedEnvironment } from './embedded-environment';

class Seen extends configOf('publicUrl', 'host', 'port', 'allowLoopbackIssuers', 'logLevel', 'encryptionKey') {}

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'embedded-environment-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const seen = (given: Record<string, string>): Seen => new Seen(embeddedEnvironment(given, folder).variables);

test('nothing needs to be said: loopback, our URL, warnings only', () => {
  expect(seen({})).toMatchObject({
    publicUrl: 'http://127.0.0.1:8080',
    host: '127.0.0.1',
    port: 8080,
    allowLoopbackIssuers: true,
    logLevel: 'warn',
  });
});

test.each([
  ['a port moves our URL', { COUNTERSIGN_PORT: '9000' }, { publicUrl: 'http://127.0.0.1:9000', port: 9000 }],
  ['a URL given stays', { COUNTERSIGN_PUBLIC_URL: 'https://sts.example' }, { publicUrl: 'https://sts.example' }],
  ['an empty variable is none', { COUNTERSIGN_PUBLIC_URL: '' }, { publicUrl: 'http://127.0.0.1:8080' }],
  ['beyond loopback no loopback issuers', { COUNTERSIGN_HOST: '0.0.0.0' }, { allowLoopbackIssuers: false }],
  [
    'a name that only begins like loopback is not it',
    { COUNTERSIGN_HOST: '127.0.0.1.example' },
    { allowLoopbackIssuers: false },
  ],
  [
    'unless the operator says so',
    { COUNTERSIGN_HOST: '0.0.0.0', COUNTERSIGN_ALLOW_LOOPBACK_ISSUERS: 'true' },
    { allowLoopbackIssuers: true },
  ],
])('%s', (_name, given, wanted) => {
  expect(seen(given)).toMatchObject(wanted);
});

test('secrets are made once, for their user alone, and found again', () => {
  const first = new ServiceConfig(embeddedEnvironment({}, folder).variables).adminToken;
  const second = new ServiceConfig(embeddedEnvironment({}, folder).variables).adminToken;
  expect(first).toMatch(/^[0-9a-f]{64}$/);
  expect(second).toBe(first);
  expect(readFileSync(join(folder, 'admin-token'), 'utf8').trim()).toBe(first);
  expect(seen({}).encryptionKey).toHaveLength(32);
  for (const file of ['admin-token', 'encryption-key']) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
});

test('secrets that are given are used, and none are written', () => {
  const given = {
    COUNTERSIGN_ADMIN_TOKEN: 'a'.repeat(32),
    COUNTERSIGN_ENCRYPTION_KEY: Buffer.alloc(32, 1).toString('base64'),
  };
  const { variables, adminTokenFile } = embeddedEnvironment(given, folder);
  expect(new ServiceConfig(variables).adminToken).toBe('a'.repeat(32));
  expect(adminTokenFile).toBeNull();
  expect(readdirSync(folder)).toEqual([]);
});

test('any port, with a URL that says one, is refused', () => {
  expect(() => embeddedEnvironment({ COUNTERSIGN_PORT: '0' }, folder)).toThrow('COUNTERSIGN_PORT');
});
