import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { IssuerRules, Jwk, ParsedToken, parseSubjectToken, verifySubjectToken } from './index';
import {
  acceptedSubject,
  audience,
  claims,
  encode,
  hmacToken,
  issuer,
  issuerUrl,
  KeyPair,
  mint,
  newKey,
  now,
  outcome,
  spkiPem,
  without,
} from './tokens.fixture';

type Row = [string, Record<string, unknown>, string];
type TypRow = [string | undefined, string[], string];

let rsa: KeyPair;
let ec: KeyPair;
let ec384: KeyPair;
let ed: KeyPair;
let stranger: KeyPair;
let weak: KeyPair;
let jwks: { keys: Jwk[] };

beforeAll(async () => {
  weak = weakRsaKey('w1');
  [rsa, ec, ec384, ed, stranger] = await Promise.all([
    newKey('a1', 'RS256'),
    newKey('a2', 'ES256'),
    newKey('a4', 'ES384'),
    newKey('a3', 'EdDSA'),
    newKey('x1', 'RS256'),
  ]);
  jwks = { keys: [rsa, ec, ec384, ed].map(({ publicJwk }) => publicJwk) };
});

function weakRsaKey(kid: string): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const publicJwk = { ...(publicKey.export({ format: 'jwk' }) as unknown as Jwk), kid, alg: 'RS256' };
  return { publicJwk, privateJwk: { ...privateKey.export({ format: 'jwk' }) } };
}

const head = { alg: 'ES256', kid: 'a2', typ: 'JWT' };
const token = (changes: Record<string, unknown> = {}): string => mint(head, claims(changes), ec);
const accept = (text: string, rules: Partial<IssuerRules> = {}) => outcome(text, { jwks, rules: issuer(rules) });

describe('a token is verified only under the algorithm of the key it names', () => {
  it.each([
    ['RS256', () => rsa],
    ['ES256', () => ec],
    ['ES384', () => ec384],
    ['EdDSA', () => ed],
  ])('accepts %s', async (alg, key) => {
    expect(await accept(mint({ alg, kid: key().publicJwk.kid }, claims(), key()))).toBe('accepted');
  });

  it.each(['PS256', 'RS512'])('refuses %s by a key declared for RS256', async (alg) => {
    const text = mint({ alg, kid: 'a1' }, claims(), rsa, alg);
    expect(await accept(text, { algorithms: ['RS256', 'PS256', 'RS512'] })).toBe('key_alg');
  });

  it('accepts PS256 by an RSA key that declares no algorithm', async () => {
    const { alg: _alg, ...undeclared } = rsa.publicJwk;
    const text = mint({ alg: 'PS256', kid: 'a1' }, claims(), rsa, 'PS256');
    expect(await outcome(text, { jwks: { keys: [undeclared] } })).toBe('accepted');
  });

  it('refuses an algorithm that the issuer does not list', async () => {
    expect(await accept(token(), { algorithms: ['RS256'] })).toBe('alg');
  });

  it('refuses ES256 in the header over a P-384 key', async () => {
    expect(await accept(mint({ alg: 'ES256', kid: 'a4' }, claims(), ec384, 'ES256'))).toBe('verify');
  });

  it('refuses an algorithm of another key type', async () => {
    expect(await accept(mint({ alg: 'RS256', kid: 'a2' }, claims(), ec, 'ES256'))).toBe('key_alg');
  });

  it('refuses HMAC under the public key and under guessable secrets', async () => {
    const header = { alg: 'HS256', kid: 'a1' };
    for (const secret of [spkiPem(rsa), '', '\u0000', 'a1']) {
      expect(await accept(hmacToken(header, claims(), secret), { algorithms: ['HS256', 'RS256'] })).toBe('alg');
    }
  });
});

describe('only a signature of the named key verifies', () => {
  it.each([
    ['another key under the same kid', () => mint({ alg: 'RS256', kid: 'a1' }, claims(), stranger)],
    ['an altered payload', () => token().replace(/\.[^.]+\./, `.${encode(claims({ sub: 'repo:evil/x' }))}.`)],
    ['a DER signature', () => withSignature(derSignature())],
    ['a signature with two bytes more', () => withSignature(Buffer.concat([signatureOf(token()), Buffer.alloc(2)]))],
    ['a signature with one byte less', () => withSignature(signatureOf(token()).subarray(1))],
    ['a one-byte signature', () => withSignature(Buffer.from([0]))],
  ])('refuses %s', async (_name, text) => {
    expect(await accept(text())).toBe('verify');
  });

  it('refuses all sixteen ES256 signatures of r, s in {0, 1, n-1, n}', async () => {
    const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const scalars = [0n, 1n, n - 1n, n].map((value) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex'));
    for (const r of scalars) {
      for (const s of scalars) expect(await accept(withSignature(Buffer.concat([r, s])))).toBe('verify');
    }
  });

  function withSignature(signature: Uint8Array): string {
    return `${encode(head)}.${encode(claims())}.${Buffer.from(signature).toString('base64url')}`;
  }

  function signatureOf(text: string): Buffer {
    return Buffer.from(text.split('.')[2] ?? '', 'base64url');
  }

  function derSignature(): Buffer {
    const key = createPrivateKey({ key: ec.privateJwk, format: 'jwk' });
    return sign('sha256', Buffer.from(`${encode(head)}.${encode(claims())}`), key);
  }
});

describe('the key is the one published key under the kid', () => {
  it.each(['../../../dev/null', "' UNION SELECT 'x'--", '|/bin/id', '__proto__', 'constructor', 'A2', 'a2/', 'a'])(
    'refuses kid %p as unknown',
    async (kid) => {
      expect(await accept(mint({ alg: 'ES256', kid }, claims(), ec))).toBe('kid_unknown');
    },
  );

  it('refuses a token without kid, unless the issuer allows it and exactly one key fits', async () => {
    const text = mint({ alg: 'ES256' }, claims(), ec);
    expect(await accept(text)).toBe('kid');
    expect(await accept(text, { allowMissingKid: true })).toBe('accepted');
    const twoKeys = { keys: [...jwks.keys, (await newKey('b2', 'ES256')).publicJwk] };
    expect(await outcome(text, { jwks: twoKeys, rules: issuer({ allowMissingKid: true }) })).toBe('kid_ambiguous');
    expect(await outcome(text, { jwks: { keys: [] }, rules: issuer({ allowMissingKid: true }) })).toBe('kid_unknown');
  });

  it('refuses a kid that two of the given keys have, and a defective key that was given nevertheless', async () => {
    const { parsed } = parseSubjectToken(token()) as { parsed: ParsedToken };
    const given = async (keys: Jwk[]) => verifySubjectToken({ parsed, issuer: issuer(), keys, now });
    expect(await given([ec.publicJwk, { ...ec384.publicJwk, kid: 'a2' }])).toEqual({
      ok: false,
      reason: 'kid_ambiguous',
    });
    expect(await given([{ ...ec.publicJwk, y: String(ec.publicJwk.x) }])).toEqual({ ok: false, reason: 'key_form' });
    expect(await given([{ ...ec.publicJwk, use: 'enc' }])).toEqual({ ok: false, reason: 'kid_unknown' });
    expect(await given([])).toEqual({ ok: false, reason: 'kid_unknown' });
  });

  it('refuses a token of a key that was rejected for the reason of the rejection', async () => {
    const text = mint({ alg: 'RS256', kid: 'w1' }, claims(), weak);
    expect(await outcome(text, { jwks: { keys: [...jwks.keys, weak.publicJwk] } })).toBe('key_size');
    const twin = { ...(await newKey('a2', 'ES256')).publicJwk };
    expect(await outcome(token(), { jwks: { keys: [...jwks.keys, twin] } })).toBe('kid_ambiguous');
    const smallOrder = { kty: 'OKP', crv: 'Ed25519', kid: 'so', x: encode(Buffer.from(`01${'00'.repeat(31)}`, 'hex')) };
    const universal = Buffer.from(`01${'00'.repeat(63)}`, 'hex').toString('base64url');
    const forged = `${encode({ alg: 'EdDSA', kid: 'so' })}.${encode(claims())}.${universal}`;
    expect(await outcome(forged, { jwks: { keys: [smallOrder] } })).toBe('key_small_order');
  });
});

describe('types and times of the claims', () => {
  it.each<Row>([
    ...[
      12345,
      null,
      ['repo:acme/web'],
      {},
      '',
      'repo:acme/web\n',
      'a\u0000',
      'a\u202eb',
      'a\u200bb',
      ' ',
      '\u00a0\u2003',
      'a'.repeat(1025),
    ].map((sub): Row => ['sub', { sub }, 'sub']),
    ...['', 7, {}, null, 'a'.repeat(513), 'a b', 'a\n'].map((jti): Row => ['jti', { jti }, 'jti']),
    ...['1999999999', null, true, [1999999999], {}, -1, now * 1000, 1e308].map((exp): Row => ['exp', { exp }, 'exp']),
    ...['1', null, true, [], -1].map((iat): Row => ['iat', { iat }, 'iat']),
    ...['1', null, true, {}].map((nbf): Row => ['nbf', { nbf }, 'nbf']),
    ['exp before iat', { exp: now - 20, iat: now - 10 }, 'lifetime'],
    ['exp at iat', { exp: now - 10, iat: now - 10 }, 'lifetime'],
    ['exp at the end of the leeway', { exp: now - 60, iat: now - 300, nbf: now - 300 }, 'expired'],
    ['iat in an hour', { iat: now + 3600, exp: now + 7200 }, 'iat_future'],
    ['iat beyond the leeway', { iat: now + 61, exp: now + 300 }, 'iat_future'],
    ['iat a year ago', { iat: now - 31_536_000 }, 'iat_old'],
    ['iat older than a day', { iat: now - 86_461 }, 'iat_old'],
    ['nbf beyond the leeway', { nbf: now + 61 }, 'nbf'],
    ['nbf at exp, both within the leeway', { nbf: now + 20, exp: now + 20 }, 'lifetime'],
    ['nbf after exp', { nbf: now + 30, exp: now - 30, iat: now - 300 }, 'lifetime'],
    ['a logout token', { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }, 'logout_token'],
    ['a security event', { events: { 'urn:ietf:params:secevent:password-reset': {} } }, 'logout_token'],
    ['a token bound to a key', { cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } }, 'cnf'],
    ['a token bound to a certificate', { cnf: { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' } }, 'cnf'],
    ['a token bound to nothing readable', { cnf: null }, 'cnf'],
  ])('refuses %s %j as %s', async (_name, changes, reason) => {
    expect(await accept(token(changes))).toBe(reason);
  });

  it.each([
    ['sub', 'sub'],
    ['exp', 'exp'],
    ['iat', 'iat'],
    ['aud', 'aud'],
  ])('refuses a token without %s', async (name, reason) => {
    expect(await accept(mint(head, without(name), ec))).toBe(reason);
  });

  it.each([
    ['exp 1e400', '"exp":1e400', 'exp'],
    ['exp -1e400', '"exp":-1e400', 'exp'],
    ['another number beyond a double', `"exp":${now + 100},"x":1e400`, 'json'],
  ])('refuses %s', async (_name, members, reason) => {
    const payload = `${JSON.stringify(without('exp')).slice(0, -1)},${members}}`;
    expect(await accept(mint(head, payload, ec))).toBe(reason);
  });

  it.each([
    ['exp within the leeway', { exp: now - 59, iat: now - 300, nbf: now - 300 }],
    ['iat within the leeway', { iat: now + 60 }],
    ['iat a day old', { iat: now - 86_400 }],
    ['nbf within the leeway', { nbf: now + 60 }],
    ['an exp in a year', { exp: now + 31_536_000 }],
    ['times with fractions', { iat: now - 1.5, exp: now + 60.5 }],
    ['no nbf', { nbf: undefined }],
    ['no jti', { jti: undefined }],
    ['nbf before iat', { nbf: now - 3600 }],
    ['a claim named events that names none', { events: { build: 1, deploy: 2 } }],
    ['a list named events', { events: ['push'] }],
    ['a number that a double rounds', { run: 2 ** 53 + 2 }],
    ['a sub of 1024 characters', { sub: 'a'.repeat(1024) }],
    ['a sub in another script', { sub: 'repo:acme/wéb:ref:refs/heads/主' }],
  ])('accepts %s', async (_name, changes) => {
    expect(await accept(token(changes))).toBe('accepted');
  });

  it('applies the maximal age of the issuer, and a day where that is longer', async () => {
    expect(await accept(token({ iat: now - 700 }), { maxTokenAge: 600 })).toBe('iat_old');
    expect(await accept(token({ iat: now - 100_000 }), { maxTokenAge: 1_000_000 })).toBe('iat_old');
  });
});

describe('issuer, audience and type', () => {
  it.each([
    'https://issuer-a.test/',
    'HTTPS://ISSUER-A.TEST',
    'https://issuer-a.test:443',
    'http://issuer-a.test',
    '//issuer-a.test',
    'https://user@issuer-a.test',
    'https://issuer-\u0430.test',
    'https://issuer%2da.test',
    'https://issuer-a.test.',
    ' https://issuer-a.test',
    'https://issuer-a.test.evil.test',
    'http://127.0.0.1:9/?https://issuer-a.test',
  ])('refuses iss %p', async (iss) => {
    expect(await accept(token({ iss }))).toBe('issuer_unknown');
  });

  it.each([
    ['sts.amazonaws.com'],
    ['https://pypi.org'],
    ['api://AzureADTokenExchange'],
    [`${audience}/`],
    [audience.toUpperCase()],
    [`${audience}.evil.test`],
    [`${audience}:443`],
    ['https://sts.countersign%2etest'],
    ['https://sts.count\u0435rsign.test'],
    [''],
    [null],
    [[]],
    [['']],
    [[[audience]]],
    [{ 0: audience, length: 1 }],
    [[audience, 1]],
    [[audience, '']],
    [[audience, null]],
  ])('refuses aud %j', async (aud) => {
    expect(await accept(token({ aud }))).toBe('aud');
  });

  it.each([[[audience]], [[audience, 'https://other.test']], [['https://other.test', audience]], [audience]])(
    'accepts aud %j',
    async (aud) => {
      expect(await accept(token({ aud }))).toBe('accepted');
    },
  );

  it('refuses further audiences when the issuer is strict about them', async () => {
    expect(await accept(token({ aud: [audience, 'https://other.test'] }), { strictAudience: true })).toBe('aud');
    expect(await accept(token({ aud: [audience] }), { strictAudience: true })).toBe('accepted');
  });

  it.each<TypRow>([
    ...['logout+jwt', 'secevent+jwt', 'dpop+jwt', 'at+jwt', 'application/at+jwt', '', 'JOSE'].map((typ): TypRow => [
      typ,
      ['JWT'],
      'typ',
    ]),
    ...['JWT', 'jwt', 'application/JWT', undefined].map((typ): TypRow => [typ, ['JWT'], 'accepted']),
    ['at+jwt', ['JWT', 'at+jwt'], 'accepted'],
    ['at+jwt', ['application/at+jwt'], 'accepted'],
    ['JWT', ['at+jwt'], 'typ'],
    [undefined, ['at+jwt'], 'typ'],
  ])('typ %p where %j is accepted: %s', async (typ, accepted, wanted) => {
    expect(await accept(mint({ ...head, typ }, claims(), ec), { typ: accepted })).toBe(wanted);
  });

  it.each([
    ['9122040d-6c67-4c5b-b112-36a304b66dad/v2.0', '9122040d-6c67-4c5b-b112-36a304b66dad', 'accepted'],
    ['9122040d-6c67-4c5b-b112-36a304b66dad/v2.0', '11111111-6c67-4c5b-b112-36a304b66dad', 'tid'],
    ['9122040d-6c67-4c5b-b112-36a304b66dad/v2.0', undefined, 'tid'],
    ['common/v2.0', '9122040d-6c67-4c5b-b112-36a304b66dad', 'tid'],
    ['{tenantid}/v2.0', '{tenantid}', 'tid'],
  ])('Entra issuer %s with tid %p: %s', async (path, tid, wanted) => {
    const iss = `https://login.microsoftonline.com/${path}`;
    expect(await accept(token({ iss, tid }), { iss, platform: 'entra' })).toBe(wanted);
  });

  it.each([
    ['ID', 'accepted'],
    ['Bearer', 'accepted'],
    [undefined, 'accepted'],
    ['Refresh', 'typ'],
    ['Offline', 'typ'],
    ['Logout', 'typ'],
  ])('Keycloak token with typ claim %p: %s', async (typ, wanted) => {
    expect(await accept(token({ typ }), { platform: 'keycloak' })).toBe(wanted);
  });
});

describe('odd but valid tokens are accepted', () => {
  it.each([
    ['spaces in the header', () => mint('{ "alg" : "ES256" ,\n "kid" : "a2" }', claims(), ec)],
    ['x5t in the header', () => mint({ ...head, x5t: 'abc', 'x5t#S256': 'def' }, claims(), ec)],
    ['an unknown header', () => mint({ ...head, 'x-note': [1] }, claims(), ec)],
    ['claims in another order', () => mint(head, Object.fromEntries(Object.entries(claims()).reverse()), ec)],
    ['a job name with emoji', () => token({ job: '🚀 déploiement', nested: { deep: [{ er: 1 }] } })],
    ['a kid with inner spaces and symbols', () => mint({ ...head, kid: 'key 1/a+b=:2' }, claims(), ec)],
  ])('%s', async (_name, text) => {
    const named = { ...ec.publicJwk, kid: 'key 1/a+b=:2' };
    expect(await outcome(text(), { jwks: { keys: [...jwks.keys, named] } })).toBe('accepted');
  });
});

describe('what is known about a verified subject', () => {
  it('has every claim, the name of the issuer document and the times', async () => {
    expect(await acceptedSubject(token(), { jwks })).toEqual({
      issuer: 'issuer-a',
      iss: issuerUrl,
      sub: claims()['sub'],
      jti: claims()['jti'],
      claims: claims(),
      iat: now - 10,
      exp: now + 290,
      replayKey: expect.stringMatching(/^[0-9a-f]{64}$/),
      replayExpiresAt: now + 290 + 300 + 60,
    });
  });

  it.each([
    ['dev@example.com', true, true],
    ['dev@example.com', false, false],
    ['dev@example.com', 'true', false],
    ['dev@example.com', 1, false],
    ['dev@example.com', undefined, false],
    ['a@evil.com@example.com', true, false],
    ['a@evil.com\n@example.com', true, false],
    ['dev@example.com\n', true, false],
    ['nobody', true, false],
    ['@example.com', true, false],
    ['dev@', true, false],
    [['dev@example.com'], true, false],
  ])('email %j with email_verified %p is kept: %p', async (email, verified, kept) => {
    const subject = await acceptedSubject(token({ email, email_verified: verified }), { jwks });
    expect('email' in subject.claims).toBe(kept);
  });

  it('remembers a use for as long as the token could be used, and never for ever', async () => {
    const year = await acceptedSubject(token({ iat: now - 100, exp: now + 31_536_000 }), { jwks });
    expect(year.replayExpiresAt).toBe(now - 100 + 86_400 + 300 + 60);
    const fraction = await acceptedSubject(token({ exp: now + 0.5 }), { jwks });
    expect(fraction.replayExpiresAt).toBe(now + 1 + 300 + 60);
  });

  it('remembers it past the widest leeway and age that the issuer could be given afterwards', async () => {
    const [changes, strict] = [{ iat: now, exp: now + 300 }, issuer({ clockSkew: 0, maxTokenAge: 60 })];
    const { replayExpiresAt } = await acceptedSubject(token(changes), { jwks, rules: strict });
    const wide = issuer({ clockSkew: 300, maxTokenAge: 86_400 });
    expect(await outcome(token(changes), { jwks, rules: wide, at: replayExpiresAt - 61 })).toBe('accepted');
    expect(await outcome(token(changes), { jwks, rules: wide, at: replayExpiresAt })).toBe('expired');
  });
});

describe('the replay key stands for the token, not for its text', () => {
  async function keyOf(changes: { iss?: string; jti?: string; run?: number }): Promise<string> {
    const rules = issuer({ iss: changes.iss ?? issuerUrl });
    return (await acceptedSubject(token(changes), { jwks, rules })).replayKey;
  }

  it('is the same for two tokens with the same jti, whatever else they say', async () => {
    expect(await keyOf({ run: 1 })).toBe(await keyOf({ run: 2 }));
  });

  it('differs by issuer, and no delimiter lets two parts run together', async () => {
    const keys = await Promise.all([
      keyOf({ iss: 'https://a', jti: '1' }),
      keyOf({ iss: 'https://b', jti: '1' }),
      keyOf({ iss: 'https://a', jti: 'b|c' }),
      keyOf({ iss: 'https://a|b', jti: 'c' }),
      keyOf({ iss: 'https://a', jti: 'abc' }),
      keyOf({ iss: 'https://a', jti: 'ABC' }),
      keyOf({ iss: 'https://a', jti: 'abc\u0301' }),
    ]);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is that of the signing input where there is no jti, so that a twin of the signature is the same use', async () => {
    const text = mint(head, without('jti'), ec);
    const twin = highSTwin(text);
    expect(twin).not.toBe(text);
    const [one, other] = await Promise.all([acceptedSubject(text, { jwks }), acceptedSubject(twin, { jwks })]);
    expect(one.jti).toBeNull();
    expect(one.replayKey).toBe(other.replayKey);
    expect(one.replayKey).not.toBe(createHash('sha256').update(text).digest('hex'));
    const changed = mint(head, { ...without('jti'), run: 2 }, ec);
    expect((await acceptedSubject(changed, { jwks })).replayKey).not.toBe(one.replayKey);
  });

  /** (r, n - s) is as valid an ES256 signature as (r, s). */
  function highSTwin(text: string): string {
    const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const signature = Buffer.from(text.split('.')[2] ?? '', 'base64url').toString('hex');
    const s = (n - BigInt(`0x${signature.slice(64)}`)).toString(16).padStart(64, '0');
    const twin = Buffer.from(signature.slice(0, 64) + s, 'hex').toString('base64url');
    return `${text.slice(0, text.lastIndexOf('.'))}.${twin}`;
  }
});
