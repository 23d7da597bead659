import { generateIssuerKey } from '@countersign/testing';
import { Authority, AUDIENCE } from './resource-server.fixture';
import { createVerifier } from './verifier';

let authority: Authority;
beforeAll(async () => {
  authority = await Authority.start(['ES256', 'RS256', 'EdDSA']);
});
afterAll(() => authority.stop());

const verify = (token: string) => authority.verifier().verify(token);
const without = (token: string, part: number, text: string): string =>
  token
    .split('.')
    .map((own, index) => (index === part ? text : own))
    .join('.');
const json = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a token of countersign becomes an identity', async () => {
  const verified = await verify(await authority.token({ act: { sub: 'github:robot' } }));
  expect(verified).toMatchObject({
    ok: true,
    identity: {
      subject: 'github:repo:acme/web:ref:refs/heads/main',
      issuer: authority.issuer.iss,
      audience: [AUDIENCE],
      clientId: 'github',
      roles: ['deployers'],
      policies: ['deploy'],
      scope: ['role:deployers'],
      claims: { repository: 'acme/web' },
      federated: { issuer: 'https://ci.example', subject: 'repo:acme/web' },
      actor: { sub: 'github:robot' },
      authorizationDetails: null,
      permissions: null,
      keyThumbprint: null,
      issuedAt: authority.now,
      expiresAt: authority.now + 900,
    },
  });
  if (!verified.ok) return;
  const { identity } = verified;
  expect([identity.hasRole('deployers'), identity.hasRole('admins')]).toEqual([true, false]);
  expect(identity.allows('Function:Deploy', 'staging:web')).toBe(false);
});

test.each(['ES256', 'RS256', 'EdDSA'])('signed with %s it is accepted', async (alg) => {
  const key = authority.issuer.keys.find((one) => one.alg === alg);
  expect(await verify(await authority.token({}, key === undefined ? {} : { key }))).toMatchObject({ ok: true });
});

describe('a token is refused', () => {
  // STS-19 from the other side: what is not the shape of an issued token is none.
  test.each<[string, Record<string, unknown>]>([
    ['issuer', { iss: 'https://other.example' }],
    ['issuer', { iss: undefined }],
    ['audience', { aud: 'https://other.example' }],
    ['audience', { aud: `${AUDIENCE}/` }],
    ['audience', { aud: [] }],
    ['audience', { aud: [AUDIENCE, 7] }],
    ['audience', { aud: undefined }],
    ['claims', { exp: undefined }],
    ['claims', { exp: '2000000000' }],
    ['claims', { iat: undefined }],
    ['claims', { nbf: null }],
    ['claims', { sub: '' }],
    ['claims', { sub: 7 }],
    ['claims', { jti: undefined }],
    ['claims', { client_id: undefined }],
    ['claims', { scope: ['role:x'] }],
    ['claims', { roles: 'deployers' }],
    ['claims', { roles: [''] }],
    ['claims', { policy: undefined }],
    ['claims', { fed: undefined }],
    ['claims', { fed: { iss: 'x', sub: 'x', claims: [] } }],
    ['claims', { act: 'robot' }],
    ['claims', { cnf: { 'x5t#S256': 'certificate' } }],
    ['claims', { authorization_details: {} }],
    ['claims', { authorization_details: [{ type: 'countersign_permission', actions: 'a', resources: ['r'] }] }],
    ['claims', { authorization_details: ['countersign_permission'] }],
  ])('as %s: %j', async (reason, changes) => {
    expect(await verify(await authority.token(changes))).toEqual({ ok: false, reason });
  });

  test.each<[string, Record<string, unknown>]>([
    ['typ', { typ: 'JWT' }],
    ['typ', { typ: undefined }],
    ['typ', { typ: 'logout+jwt' }],
    ['typ', { typ: ['at+jwt'] }],
  ])('as %s with the header %j', async (reason, header) => {
    const token = await authority.token({}, { header });
    // Array in place of text: jose refuses to sign that, so the part is put in.
    const [own = ''] = token.split('.');
    const changed = { ...(JSON.parse(Buffer.from(own, 'base64url').toString()) as object), ...header };
    expect(await verify(without(token, 0, json(changed)))).toEqual({ ok: false, reason });
  });

  test.each(['none', 'HS256', 'ES384', 'dir'])('as alg with %s', async (alg) => {
    const token = await authority.token();
    const header = json({ alg, typ: 'at+jwt', kid: authority.issuer.keys[0]?.kid });
    expect(await verify(without(token, 0, header))).toEqual({ ok: false, reason: 'alg' });
  });

  test('as signature when another key signed, whatever kid it names', async () => {
    const stranger = await generateIssuerKey('ES256', authority.issuer.keys[0]?.kid);
    expect(await verify(await authority.token({}, { key: stranger }))).toEqual({ ok: false, reason: 'signature' });
  });

  test('as signature when alg is that of another key', async () => {
    const [es256, rs256] = authority.issuer.keys;
    const token = await authority.token({}, { kid: rs256?.kid ?? '', ...(es256 ? { key: es256 } : {}) });
    expect(await verify(token)).toEqual({ ok: false, reason: 'signature' });
  });

  test('as signature when the claims were changed', async () => {
    const token = await authority.token();
    const [, claims = ''] = (await authority.token({ roles: ['admins'] })).split('.');
    expect(await verify(without(token, 1, claims))).toEqual({ ok: false, reason: 'signature' });
  });

  test('as key_unknown without kid or with a kid that nobody published', async () => {
    for (const kid of [null, 'nobody'])
      expect(await verify(await authority.token({}, { kid }))).toEqual({ ok: false, reason: 'key_unknown' });
  });

  test.each(['', 'a', 'a.b', 'a.b.', '.b.c', 'a.b.c.d.e', 'e30.e30.x=', 'W10.e30.x', 'e30.bnVsbA.x', ' e30.e30.x'])(
    'as form: "%s"',
    async (token) => {
      expect(await verify(token)).toEqual({ ok: false, reason: 'form' });
    },
  );

  test('as size when it is longer than 64 KiB, before anything is decoded', async () => {
    expect(await verify('a'.repeat(64 * 1024 + 1))).toEqual({ ok: false, reason: 'size' });
  });
});

describe('times are held to with a leeway of 5 s', () => {
  test.each<[string, Record<string, number>, string | null]>([
    ['expired 4 s ago', { exp: -4 }, null],
    ['expired 5 s ago', { exp: -5 }, 'expired'],
    ['valid in 5 s', { nbf: 5 }, null],
    ['valid in 6 s', { nbf: 6 }, 'not_yet_valid'],
    ['issued in 6 s', { iat: 6 }, 'not_yet_valid'],
  ])('%s', async (_, offsets, reason) => {
    const changes = Object.fromEntries(Object.entries(offsets).map(([name, by]) => [name, authority.now + by]));
    expect(await verify(await authority.token(changes))).toMatchObject(reason === null ? { ok: true } : { reason });
  });
});

describe('permissions in the token', () => {
  const detail = { type: 'countersign_permission', actions: ['Function:Deploy'], resources: ['staging:web*'] };

  test.each<[string, string, boolean]>([
    ['Function:Deploy', 'staging:web', true],
    ['Function:Deploy', 'staging:web2', true],
    ['Function:Deploy', 'staging:api', false],
    ['Function:Delete', 'staging:web', false],
    ['function:deploy', 'staging:web', false],
  ])('%s on %s: %s', async (action, resource, allowed) => {
    const verified = await verify(await authority.token({ authorization_details: [{ type: 'other' }, detail] }));
    expect(verified.ok && verified.identity.allows(action, resource)).toBe(allowed);
  });

  test('action and resource must stand in the same detail', async () => {
    const other = { ...detail, actions: ['Function:Delete'], resources: ['dev:web'] };
    const verified = await verify(await authority.token({ authorization_details: [detail, other] }));
    expect(verified.ok && verified.identity.allows('Function:Delete', 'staging:web')).toBe(false);
  });
});

describe('options that cannot be right are a TypeError', () => {
  const good = { issuer: 'https://sts.example.com', audience: AUDIENCE };
  test.each([
    ['plain HTTP to elsewhere', { ...good, issuer: 'http://sts.example.com' }],
    ['an issuer that is no URL', { ...good, issuer: 'sts' }],
    ['no audience', { ...good, audience: '' }],
    ['HMAC', { ...good, algorithms: ['HS256'] }],
    ['none', { ...good, algorithms: ['none'] }],
    ['no algorithm', { ...good, algorithms: [] }],
    ['HMAC for proofs', { ...good, dpop: { algorithms: ['HS256'] } }],
  ])('%s', (_, options) => {
    expect(() => createVerifier(options)).toThrow(TypeError);
  });

  test('plain HTTP where it was asked for is not', () => {
    expect(() => createVerifier({ ...good, issuer: 'http://sts.internal', allowHttp: true })).not.toThrow();
  });
});
