import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { AdminAccess, Logger, ServiceConfig, startService, type RunningService } from '@countersign/platform';
import { Module } from '@nestjs/common';
import { ExchangeConfig } from '../config';
import { KEY_TIMES } from '../keys/key-times';
import { SigningKeys } from '../keys/signing-keys';
import { MetadataController } from './metadata.controller';

const PUBLIC_URL = 'https://sts.example/base';
const KEYS = [{ kty: 'OKP', crv: 'Ed25519', x: 'AAAA', kid: 'k' }];
const PATHS = [
  '/oauth2/jwks',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
  '/.well-known/oauth-protected-resource',
];

@Module({
  controllers: [MetadataController],
  providers: [{ provide: SigningKeys, useValue: { verificationKeys: () => KEYS } }],
})
class MetadataModule {}

class NoAccess extends AdminAccess {
  verificationKeys = (): Promise<never[]> => Promise.resolve([]);
  isRevoked = (): Promise<boolean> => Promise.resolve(false);
  isAllowed = (): Promise<boolean> => Promise.resolve(false);
}

let service: RunningService;

beforeAll(async () => {
  const environment = {
    COUNTERSIGN_PUBLIC_URL: PUBLIC_URL,
    COUNTERSIGN_HOST: '127.0.0.1',
    COUNTERSIGN_PORT: '0',
    COUNTERSIGN_ADMIN_TOKEN: randomBytes(32).toString('hex'),
    COUNTERSIGN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1',
  };
  service = await startService({
    name: 'exchange',
    config: new ServiceConfig(environment),
    logger: new Logger('exchange', 'silent'),
    modules: [MetadataModule],
    provide: [
      [ExchangeConfig, new ExchangeConfig(environment)],
      [AdminAccess, new NoAccess()],
    ],
  });
});

afterAll(() => service?.stop());

type Body = Record<string, unknown>;
const get = async (path: string, init: RequestInit = {}): Promise<{ headers: Headers; body: Body }> => {
  const response = await fetch(service.url + path, init);
  expect(response.status).toBe(200);
  return { headers: response.headers, body: (await response.json()) as Body };
};

const [jwks = '', openId = '', authorizationServer = '', protectedResource = ''] = PATHS;

test('authorization server metadata is complete (RFC 8414, RFC 9449, RFC 9396)', async () => {
  expect((await get(authorizationServer)).body).toEqual({
    issuer: PUBLIC_URL,
    token_endpoint: `${PUBLIC_URL}/oauth2/token`,
    token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
    introspection_endpoint: `${PUBLIC_URL}/oauth2/introspect`,
    introspection_endpoint_auth_methods_supported: ['Bearer'],
    revocation_endpoint: `${PUBLIC_URL}/oauth2/revoke`,
    revocation_endpoint_auth_methods_supported: ['none'],
    jwks_uri: `${PUBLIC_URL}/oauth2/jwks`,
    grant_types_supported: [
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
      'client_credentials',
    ],
    response_types_supported: [],
    dpop_signing_alg_values_supported: ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA', 'Ed25519'],
    authorization_details_types_supported: ['countersign_permission'],
    protected_resources: [PUBLIC_URL],
    service_documentation: 'https://countersign.dev/docs',
  });
});

test('the OpenID configuration says the same, and what OpenID Connect Discovery requires besides', async () => {
  const { body } = await get(openId);
  expect(body).toMatchObject((await get(authorizationServer)).body);
  expect(body).toMatchObject({ subject_types_supported: ['public'] });
  expect(body.id_token_signing_alg_values_supported).toContain('RS256');
});

test('our admin endpoints are a protected resource of this authorization server (RFC 9728)', async () => {
  const { body } = await get(protectedResource);
  expect(body).toMatchObject({
    resource: PUBLIC_URL,
    authorization_servers: [PUBLIC_URL],
    bearer_methods_supported: ['header'],
  });
  expect(body.scopes_supported).toEqual(expect.arrayContaining(['Iam:Read', 'Iam:Write', 'Token:Introspect']));
});

test('no algorithm that proves nothing is announced', async () => {
  const bodies = await Promise.all(PATHS.map(async (path) => JSON.stringify((await get(path)).body)));
  for (const body of bodies) expect(body).not.toMatch(/"HS\d|alg[^,]*"none"/);
});

// STS-20
test.each(PATHS)('%s is the same whatever host the request names', async (path) => {
  const { body } = await get(path);
  const headers = {
    host: 'evil.test',
    'x-forwarded-host': 'evil.test',
    'x-forwarded-proto': 'http',
    'x-forwarded-port': '1',
    'x-forwarded-prefix': '/evil',
    forwarded: 'host=evil.test;proto=http',
  };
  const outgoing = request(service.url + path, { headers }).end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  expect(JSON.parse((await response.setEncoding('utf8').toArray()).join(''))).toEqual(body);
});

// STS-23
test.each(PATHS)(
  '%s may be read by any page, without credentials, for as long as our rotation reckons with',
  async (path) => {
    for (const origin of ['https://evil.test', 'null']) {
      const { headers } = await get(path, { headers: { origin } });
      expect(headers.get('access-control-allow-origin')).toBe('*');
      expect(headers.get('access-control-allow-credentials')).toBeNull();
      expect(headers.get('cache-control')).toBe(`public, max-age=${KEY_TIMES.jwksMaxAge}`);
      expect(headers.get('content-type')).toMatch(/^application\/json/);
    }
  },
);

test.each(PATHS)('%s answers HEAD like GET, OPTIONS with what there is, and nothing else', async (path) => {
  const head = await fetch(service.url + path, { method: 'HEAD' });
  expect({ status: head.status, text: await head.text() }).toEqual({ status: 200, text: '' });
  expect(head.headers.get('cache-control')).toContain('max-age');
  const headers = { origin: 'https://app.test', 'access-control-request-method': 'GET' };
  const options = await fetch(service.url + path, { method: 'OPTIONS', headers });
  expect(options.status).toBe(204);
  expect(options.headers.get('allow')).toBe('GET, HEAD, OPTIONS');
  expect(options.headers.get('access-control-allow-methods')).toBe('GET, HEAD');
  expect(options.headers.get('access-control-allow-credentials')).toBeNull();
  const post = await fetch(service.url + path, { method: 'POST' });
  expect([404, 405]).toContain(post.status);
});

test('the keys are a JWK set', async () => {
  expect((await get(jwks)).body).toEqual({ keys: KEYS });
});
