import { type IssuerFailure } from '@countersign/testing';
import { Authority } from './resource-server.fixture';
import type { Verifier } from './verifier';

let authority: Authority;
let verifier: Verifier;
beforeEach(async () => {
  authority = await Authority.start();
  verifier = authority.verifier();
});
afterEach(() => authority.stop());

const verify = async (token?: string) => verifier.verify(token ?? (await authority.token()));
const good = { ok: true };

test('keys are fetched once for many tokens at the same time and after', async () => {
  const tokens = await Promise.all(Array.from({ length: 20 }, () => authority.token()));
  expect(await Promise.all(tokens.map(verify))).toEqual(tokens.map(() => expect.objectContaining(good)));
  await verify();
  expect(authority.issuer.requests).toEqual({ discovery: 1, jwks: 1 });
});

test('keys are fetched again after maxAge, so a withdrawn key is refused from then on', async () => {
  const token = await authority.token({ exp: authority.now + 3_000 });
  await verify(token);
  await authority.issuer.rotate({ dropOld: true });
  authority.now += 299;
  expect(await verify(token)).toMatchObject(good);
  authority.now += 1;
  expect(await verify(token)).toEqual({ ok: false, reason: 'key_unknown' });
});

test('a key published a moment ago is found at its first token', async () => {
  await verify();
  authority.now += 30;
  await authority.issuer.rotate();
  expect(await verify()).toMatchObject(good);
  expect(authority.issuer.requests.jwks).toBe(2);
});

test('unknown kids cause at most one fetch per cooldown', async () => {
  for (let index = 0; index < 20; index += 1)
    expect(await verify(await authority.token({}, { kid: `unknown-${index}` }))).toMatchObject({
      reason: 'key_unknown',
    });
  expect(authority.issuer.requests.jwks).toBe(1);
  authority.now += 30;
  await verify(await authority.token({}, { kid: 'unknown' }));
  expect(authority.issuer.requests.jwks).toBe(2);
});

const failures: IssuerFailure[] = [
  { status: 503 },
  { redirect: 'http://127.0.0.1:1/' },
  'cut',
  'not-json',
  'huge',
  { body: { issuer: 'https://other.example', jwks_uri: 'http://127.0.0.1:1/' } },
  { body: { keys: 'none' } },
  { body: [] },
];

describe.each(failures)('while the issuer fails: %j', (failure) => {
  test('tokens are refused as nobody’s fault when no keys are remembered, and good again after', async () => {
    authority.issuer.fail(failure);
    expect(await verify()).toEqual({ ok: false, reason: 'keys_unavailable' });
    authority.issuer.fail(null);
    authority.now += 30;
    expect(await verify()).toMatchObject(good);
  });

  test('remembered keys go on for an hour and no longer', async () => {
    await verify();
    authority.issuer.fail(failure);
    authority.now += 3_599;
    expect(await verify()).toMatchObject(good);
    authority.now += 1;
    expect(await verify()).toEqual({ ok: false, reason: 'keys_unavailable' });
  });
});

test('an issuer that never answers is given up', async () => {
  authority.issuer.fail('hang');
  const impatient = authority.verifier({ timeoutMs: 50 });
  expect(await impatient.verify(await authority.token())).toEqual({ ok: false, reason: 'keys_unavailable' });
});

test('keys that could sign are not taken for keys that verify', async () => {
  const [{ publicJwk } = { publicJwk: {} }] = authority.issuer.keys;
  const symmetric = { kty: 'oct', k: 'c2VjcmV0', kid: 'oct' };
  authority.issuer.fail({ body: { keys: [{ ...publicJwk, d: 'x' }, symmetric, 'key', null] } }, 'jwks');
  expect(await verify()).toEqual({ ok: false, reason: 'key_unknown' });
});

describe('what would verify is not believed', () => {
  interface Story {
    metadata?: object;
    padding?: string;
  }

  /** The issuer's answers, changed on their way. Every address is answered. */
  const retold = async ({ metadata = {}, padding = '' }: Story): Promise<Verifier> => {
    const { iss, jwks } = authority.issuer;
    const documents: object[] = [
      { issuer: iss, jwks_uri: `${iss}/jwks`, ...metadata },
      { ...jwks(), padding },
    ];
    return authority.verifier({ fetch: async () => Response.json(documents.shift()) });
  };
  const outcomeOf = async (story: Story) => (await retold(story)).verify(await authority.token());
  const unavailable = { ok: false, reason: 'keys_unavailable' };

  test('but as it was published it is', async () => {
    expect(await outcomeOf({})).toMatchObject(good);
  });

  test.each<[string, Story]>([
    ['metadata of another issuer', { metadata: { issuer: 'https://other.example' } }],
    ['metadata without issuer', { metadata: { issuer: undefined } }],
    ['metadata without keys', { metadata: { jwks_uri: undefined } }],
    ['keys over plain HTTP', { metadata: { jwks_uri: 'http://keys.example/jwks' } }],
    ['keys from a file', { metadata: { jwks_uri: 'file:///etc/jwks' } }],
    ['a key set of more than 256 KiB', { padding: 'x'.repeat(256 * 1024) }],
  ])('%s', async (_, story) => {
    expect(await outcomeOf(story)).toEqual(unavailable);
  });
});
