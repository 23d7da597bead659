import type { IssuerRegistration } from '@countersign/contracts';
import { SafeHttp, SafeHttpError, type SafeHttpOptions } from '@countersign/safe-http';
import { issuerRegistration, startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { checkIssuer } from './check-issuer';

const registration = (changes: Partial<IssuerRegistration>): IssuerRegistration =>
  issuerRegistration({ name: 'ci', iss: 'https://ci.test', algorithms: ['RS256', 'ES256'], ...changes });

const clients: SafeHttp[] = [];
function client(options: Partial<SafeHttpOptions>): SafeHttp {
  // Names lead nowhere here: what is asked is only whether the URL would be tried.
  const resolve = () => Promise.resolve([]);
  const made = new SafeHttp({ allowLoopback: false, allowedPrivateCidrs: [], proxyUrl: null, resolve, ...options });
  clients.push(made);
  return made;
}

afterAll(() => Promise.all(clients.map((one) => one.close())));

describe('a document is refused exactly for the URLs that are never called', () => {
  const settings: [string, Partial<SafeHttpOptions>][] = [
    ['by default', {}],
    ['with loopback allowed', { allowLoopback: true }],
    ['with a range allowed', { allowedPrivateCidrs: ['127.0.0.0/8'] }],
  ];
  const urls = [
    'https://ci.test',
    'http://ci.test',
    'https://10.0.0.1',
    'http://10.0.0.1',
    'https://192.168.1.1',
    'http://127.0.0.1:1',
    'https://127.0.0.1:1',
    'http://localhost:1',
    'http://[::1]:1',
    'https://0x7f.1:1',
    'https://169.254.169.254',
    'https://[::ffff:10.0.0.1]',
  ];

  test.each(settings.flatMap(([name, options]) => urls.map((url) => [name, url, options] as const)))(
    '%s: %s',
    async (_, url, options) => {
      const http = client(options);
      const reason = await http.get(`${url}/.well-known/openid-configuration`).then(
        () => null,
        (error: unknown) => (error instanceof SafeHttpError ? error.reason : 'other'),
      );
      const neverCalled = ['url', 'scheme', 'userinfo', 'address'].includes(reason ?? '');
      for (const [field, path] of [
        ['iss', '/spec/iss'],
        ['issInternal', '/spec/issInternal'],
      ] as const) {
        const problems = await checkIssuer(http, registration({ [field]: url }));
        const [{ gravity, path: at, fix } = { gravity: null, path: null, fix: '' }] = problems;
        expect([gravity === 'refused', at]).toEqual([neverCalled, path]);
        expect(fix).not.toBe('');
      }
    },
  );

  test('and not for an iss that is only a name, since the keys come from elsewhere', async () => {
    const http = client({});
    const found = await checkIssuer(http, registration({ iss: 'http://10.0.0.1', jwksUri: 'https://keys.test/jwks' }));
    expect(found).toMatchObject([{ gravity: 'unusable', code: 'issuer_unreachable', path: '/spec/jwksUri' }]);
  });
});

describe('keys', () => {
  let issuer: LocalIssuer;

  beforeAll(async () => {
    issuer = await startLocalIssuer({ algorithms: ['ES256', 'RS256'] });
  });

  afterAll(() => issuer.stop());

  const check = (changes: Partial<IssuerRegistration>) =>
    checkIssuer(client({ allowLoopback: true }), registration({ iss: issuer.iss, ...changes }));

  test('an issuer whose keys can be used has no problem', async () => {
    expect(await check({})).toEqual([]);
    expect(await check({ algorithms: ['ES256'] })).toEqual([]);
    expect(await check({ jwks: issuer.jwks() })).toEqual([]);
  });

  test('a key that declares no algorithm counts for every algorithm it could be used with', async () => {
    const keys = issuer.jwks().keys.map(({ alg: _, ...key }) => key) as Record<string, unknown>[];
    expect(await check({ jwks: { keys }, algorithms: ['PS512'] })).toEqual([]);
    expect(await check({ jwks: { keys }, algorithms: ['ES384'] })).toMatchObject([{ code: 'issuer_keys_unfit' }]);
  });

  test('nothing that an issuer publishes makes the list of rejected keys long', async () => {
    const bad = Array.from({ length: 150 }, (_, n) => ({ kty: 'RSA', kid: `bad-${n}`, n: 'AQ', e: 'AQAB' }));
    const [problem] = await check({ jwks: { keys: [...issuer.jwks().keys, ...bad] as Record<string, unknown>[] } });
    expect(problem).toMatchObject({ gravity: 'partial', code: 'issuer_keys_rejected' });
    expect(problem?.message).toMatch(/^keys were rejected: bad-0 key_size, .*bad-9 key_size and more$/);
  });
});
