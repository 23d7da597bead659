import { calculateJwkThumbprint, createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import {
  AccessTokenClaims,
  accessTokenClaims,
  AccessTokenInput,
  GeneratedSigningKey,
  generateSigningKey,
  signAccessToken,
  SigningAlgorithm,
  verifyAccessToken,
  VerifiedSubject,
  VerifyAccessTokenInput,
} from './index';
import { encode, mint, now } from './tokens.fixture';

const publicUrl = 'https://sts.countersign.test';
const algorithms: SigningAlgorithm[] = ['ES256', 'RS256', 'EdDSA'];
const keys = new Map<string, GeneratedSigningKey>();

beforeAll(async () => {
  for (const alg of algorithms) keys.set(alg, await generateSigningKey(alg));
});

const keyOf = (alg: SigningAlgorithm): GeneratedSigningKey => keys.get(alg) as GeneratedSigningKey;
const sign = (claims: object, alg: SigningAlgorithm = 'ES256') =>
  signAccessToken({ claims: claims as AccessTokenClaims, key: keyOf(alg) });

const subject: VerifiedSubject = {
  issuer: 'github',
  iss: 'https://token.actions.githubusercontent.com',
  sub: 'repo:acme/web:ref:refs/heads/main',
  jti: 'j-1',
  claims: {
    iss: 'https://token.actions.githubusercontent.com',
    sub: 'repo:acme/web:ref:refs/heads/main',
    repository: 'acme/web',
    ref: 'refs/heads/main',
    run_id: '1',
    roles: ['admin'],
    'kubernetes.io': { namespace: 'prod', pod: { name: 'p', uid: 'u' } },
    'a/b~c': 1,
    groups: [{ name: 'x' }],
  },
  iat: now - 10,
  exp: now + 290,
  replayKey: 'ab'.repeat(32),
  replayExpiresAt: now + 410,
};

function input(changes: Partial<AccessTokenInput> = {}): AccessTokenInput {
  return {
    publicUrl,
    subject,
    decision: { roles: ['deploy'], policies: ['p'], revision: 12, audience: [publicUrl], maxTokenExpiry: null },
    issuerRules: { tokenExpiry: 900, boundToSubjectExpiry: false, carry: ['repository', 'run_id', 'absent'] },
    referencedClaims: ['ref'],
    scope: null,
    deploymentMaxLifetime: 86_400,
    now,
    jti: '0197-jti',
    ...changes,
  };
}

const issuer = (changes: object) => ({ issuerRules: { ...input().issuerRules, ...changes } });
const decision = (changes: object) => ({ decision: { ...input().decision, ...changes } });

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value))
    if (typeof member === 'object' && member !== null) deepFreeze(member as object);
  return Object.freeze(value);
}

describe('the claims of an issued token', () => {
  it('are exactly those of the contract', () => {
    expect(accessTokenClaims(input())).toEqual({
      expiresIn: 900,
      claims: {
        iss: publicUrl,
        sub: 'github:repo:acme/web:ref:refs/heads/main',
        aud: publicUrl,
        exp: now + 900,
        iat: now,
        nbf: now,
        jti: '0197-jti',
        client_id: 'github',
        roles: ['deploy'],
        policy: ['p'],
        policy_revision: 12,
        fed: {
          iss: subject.iss,
          sub: subject.sub,
          jti: 'j-1',
          claims: { repository: 'acme/web', run_id: '1', ref: 'refs/heads/main' },
        },
      },
    });
  });

  it('name a single audience as a string and several as an array', () => {
    expect(accessTokenClaims(input(decision({ audience: ['a'] }))).claims.aud).toBe('a');
    expect(accessTokenClaims(input(decision({ audience: ['a', 'b'] }))).claims.aud).toEqual(['a', 'b']);
    expect(() => accessTokenClaims(input(decision({ audience: [] })))).toThrow('no audience');
  });

  it('have the scope as granted', () => {
    expect(accessTokenClaims(input({ scope: 'role:deploy' })).claims.scope).toBe('role:deploy');
    expect(accessTokenClaims(input()).claims).not.toHaveProperty('scope');
  });

  it('name the actor in the way subjects are named', () => {
    const actor = { ...subject, issuer: 'ci', sub: 'bot' };
    expect(accessTokenClaims(input({ actor })).claims.act).toEqual({ sub: 'ci:bot' });
  });

  it.each([
    ['the issuer', {}, 900],
    ['a contributing role', decision({ maxTokenExpiry: 300 }), 300],
    ['the deployment', { deploymentMaxLifetime: 60 }, 60],
    ['the subject token, where bound to it', issuer({ boundToSubjectExpiry: true }), 290],
    [
      'a subject token with a fraction',
      { ...issuer({ boundToSubjectExpiry: true }), subject: { ...subject, exp: now + 1.9 } },
      1,
    ],
    [
      'a subject token that has ended',
      { ...issuer({ boundToSubjectExpiry: true }), subject: { ...subject, exp: now - 9 } },
      0,
    ],
  ])('end by the shortest of all limits: %s', (_name, changes, wanted) => {
    const { claims, expiresIn } = accessTokenClaims(input(changes));
    expect([expiresIn, claims.exp]).toEqual([wanted, now + wanted]);
  });

  it.each([
    ['a whole claim', ['kubernetes.io'], { 'kubernetes.io': { namespace: 'prod', pod: { name: 'p', uid: 'u' } } }],
    ['one nested claim', ['/kubernetes.io/namespace'], { 'kubernetes.io': { namespace: 'prod' } }],
    [
      'two nested claims',
      ['/kubernetes.io/namespace', '/kubernetes.io/pod/uid'],
      { 'kubernetes.io': { namespace: 'prod', pod: { uid: 'u' } } },
    ],
    [
      'a whole claim and a part of it',
      ['kubernetes.io', '/kubernetes.io/namespace'],
      { 'kubernetes.io': { namespace: 'prod', pod: { name: 'p', uid: 'u' } } },
    ],
    [
      'a part and then the whole',
      ['/kubernetes.io/namespace', 'kubernetes.io'],
      { 'kubernetes.io': { namespace: 'prod', pod: { name: 'p', uid: 'u' } } },
    ],
    ['an escaped name', ['/a~1b~0c'], { 'a/b~c': 1 }],
    ['an element of an array', ['/groups/0/name'], { groups: [{ name: 'x' }] }],
    ['what is not there', ['nope', '/kubernetes.io/nope', '/ref/x', 'toString', '/__proto__/x', ''], {}],
  ])('carry %s that is referred to, and no more', (_name, referencedClaims, wanted) => {
    const frozen = { ...subject, claims: deepFreeze(structuredClone(subject.claims)) };
    const { claims } = accessTokenClaims(input({ ...issuer({ carry: [] }), subject: frozen, referencedClaims }));
    expect(claims.fed.claims).toEqual(wanted);
  });

  it('cannot be overwritten by claims of the subject token, whatever an issuer carries', () => {
    const names = ['iss', 'sub', 'aud', 'exp', 'roles', 'policy', 'client_id', 'jti'];
    const { claims } = accessTokenClaims(input({ ...issuer({ carry: names }), referencedClaims: names }));
    expect(claims).toMatchObject({ iss: publicUrl, roles: ['deploy'], policy: ['p'], client_id: 'github' });
    expect(claims.fed.claims).toEqual({ iss: subject.iss, sub: subject.sub, roles: ['admin'] });
  });
});

describe.each(algorithms)('a token signed with %s', (alg) => {
  it('verifies here, and with jose against the published key', async () => {
    const key = keyOf(alg);
    const { claims } = accessTokenClaims(input());
    const token = sign(claims, alg);
    expect(decodeProtectedHeader(token)).toEqual({ alg, typ: 'at+jwt', kid: key.kid });
    const keySet = createLocalJWKSet({ keys: [key.publicJwk] });
    const verified = await jwtVerify(token, keySet, {
      typ: 'at+jwt',
      issuer: publicUrl,
      currentDate: new Date(now * 1000),
    });
    expect(verified.payload).toEqual(claims);
    const result = verifyAccessToken({ token, keys: [key.publicJwk], publicUrl, audience: publicUrl, now });
    expect(result).toEqual({ ok: true, claims });
  });

  it('has a key whose id is its thumbprint and whose public half has no private member', async () => {
    const { kid, publicJwk, privateJwk } = keyOf(alg);
    expect(kid).toBe(await calculateJwkThumbprint(publicJwk));
    expect(publicJwk).toMatchObject({ kid, alg, use: 'sig' });
    expect(publicJwk).not.toHaveProperty('d');
    expect(Object.keys(publicJwk).filter((name) => ['p', 'q', 'dp', 'dq', 'qi'].includes(name))).toEqual([]);
    expect(privateJwk.d).toEqual(expect.any(String));
  });
});

describe('an access token is ours only as we issue it', () => {
  const claims = accessTokenClaims(input()).claims;
  const all = () => algorithms.map((alg) => keyOf(alg).publicJwk);

  async function check(token: string, changes: Partial<VerifyAccessTokenInput> = {}): Promise<string> {
    const result = verifyAccessToken({ token, keys: all(), publicUrl, audience: null, now, ...changes });
    return result.ok ? 'accepted' : result.reason;
  }

  const raw = (header: object, alg: SigningAlgorithm = 'ES256', signedAs: string = alg) => {
    const key = keyOf(alg);
    return mint(
      { alg: signedAs, typ: 'at+jwt', kid: key.kid, ...header },
      claims,
      { ...key, privateJwk: { ...key.privateJwk } },
      signedAs,
    );
  };

  it.each([
    ['another type', () => raw({ typ: 'JWT' }), 'typ'],
    ['no type', () => raw({ typ: undefined }), 'typ'],
    ['no kid', () => raw({ kid: undefined }), 'kid'],
    ['an unknown kid', () => raw({ kid: 'x' }), 'kid_unknown'],
    ['another algorithm of the key', () => raw({}, 'RS256', 'PS256'), 'key_alg'],
    ['alg none', () => raw({ alg: 'none' }), 'alg'],
    ['an altered claim', () => raw({}).replace(/\.[^.]+\./, `.${encode({ ...claims, roles: ['admin'] })}.`), 'verify'],
    ['nothing', () => '', 'token_form'],
  ])('refused with %s', async (_name, token, reason) => {
    expect(await check(token())).toBe(reason);
  });

  it('refused when the key does not say for which algorithm it is', async () => {
    const keys = all().map(({ alg: _alg, ...undeclared }) => undeclared);
    expect(await check(sign(claims, 'RS256'), { keys })).toBe('key_alg');
  });

  it.each([
    ['another iss', { iss: `${publicUrl}/` }, 'issuer_unknown'],
    ['no sub', { sub: undefined }, 'sub'],
    ['no jti', { jti: undefined }, 'jti'],
    ['exp as text', { exp: String(now + 9) }, 'exp'],
    ['exp past the leeway', { exp: now - 5 }, 'expired'],
    ['iat beyond the leeway', { iat: now + 6 }, 'iat_future'],
    ['nbf beyond the leeway', { nbf: now + 6 }, 'nbf'],
    ['no nbf', { nbf: undefined }, 'nbf'],
    ['no aud', { aud: undefined }, 'aud'],
    ['no roles', { roles: undefined }, 'claims'],
    ['policy as text', { policy: 'p' }, 'claims'],
    ['no fed', { fed: null }, 'claims'],
    ['times within the leeway', { exp: now - 4, iat: now + 5, nbf: now + 5 }, 'accepted'],
  ])('%s: %s', async (_name, changes, reason) => {
    expect(await check(sign({ ...claims, ...changes }))).toBe(reason);
  });

  it.each([
    ['https://api.test', 'https://api.test', 'accepted'],
    [['x', 'https://api.test'], 'https://api.test', 'accepted'],
    ['https://api.test', null, 'accepted'],
    ['https://api.test/', 'https://api.test', 'aud'],
    [['x'], 'https://api.test', 'aud'],
    [[], null, 'aud'],
  ])('aud %j asked for %p: %s', async (aud, audience, wanted) => {
    expect(await check(sign({ ...claims, aud }), { audience })).toBe(wanted);
  });

  it('refused when it is cut off anywhere, or any character is another one (STS-25)', async () => {
    const token = sign(claims);
    expect(await check(token)).toBe('accepted');
    for (let index = 0; index < token.length; index++) {
      const other = token[index] === 'A' ? 'B' : 'A';
      for (const text of [token.slice(0, index), token.slice(0, index) + other + token.slice(index + 1)])
        expect(await check(text)).not.toBe('accepted');
    }
  });

  it('carries the deepest and largest subject token that was accepted', async () => {
    const deep = JSON.parse(`${'{"x":'.repeat(11)}1${'}'.repeat(11)}`) as unknown;
    const large = { ...subject, claims: { deep, text: 'x'.repeat(16_000) } };
    const issued = accessTokenClaims(input({ subject: large, referencedClaims: ['deep', 'text'] }));
    expect(await check(sign(issued.claims))).toBe('accepted');
  });
});
