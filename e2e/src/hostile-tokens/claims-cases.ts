/// <reference types="jest" />
import { forge } from '../support/forge';
import { accepted, AttackedSystem, refused } from '../support/attacked-system';
import type { EmbeddedSystem } from '../support/embedded';

/** Cases for an embedded system that nobody stops; `given` is it, once it runs. */
export function claimsCases(given: () => EmbeddedSystem): void {
  type Reason = Parameters<typeof refused>[0];
  type Row = [name: string, changes: (now: number) => Record<string, unknown>, reason: Reason];

  let attacked: AttackedSystem;

  beforeAll(async () => {
    attacked = await AttackedSystem.on(given());
  });

  afterAll(() => attacked?.stop());

  /** Far enough from the leeway of 60 s that a slow machine changes nothing. */
  const now = (): number => Math.floor(Date.now() / 1000);
  const shown = (value: unknown): string => String(JSON.stringify(value)).slice(0, 40);
  const member = (name: string, values: unknown[], reason: Reason): Row[] =>
    values.map((value): Row => [`${name} ${shown(value)}`, () => ({ [name]: value }), reason]);

  describe('a well-signed token is refused when its claims are not what they must be', () => {
    it.each<Row>([
      // JWT-36, JWT-37
      ...member('exp', [undefined, '1999999999', null, true, [1_999_999_999], {}, -1, 1e308], 'exp'),
      ['exp in milliseconds', (at) => ({ exp: (at + 300) * 1000 }), 'exp'],
      ['exp in the year 10000', () => ({ exp: 253_402_300_800 }), 'exp'],
      ['exp before iat', (at) => ({ exp: at - 20, iat: at - 10 }), 'lifetime'],
      ['exp at iat', (at) => ({ exp: at, iat: at }), 'lifetime'],
      ['an exp that has passed', (at) => ({ exp: at - 90, iat: at - 600 }), 'expired'],
      // JWT-40
      ...member('iat', [undefined, '1', null, true, [1], {}, -1], 'iat'),
      ['iat in an hour', (at) => ({ iat: at + 3_600, exp: at + 7_200 }), 'iat_future'],
      ['iat in two minutes', (at) => ({ iat: at + 120, exp: at + 300 }), 'iat_future'],
      ['iat a year ago', (at) => ({ iat: at - 31_536_000 }), 'iat_old'],
      ['iat a day and ten minutes ago', (at) => ({ iat: at - 87_000 }), 'iat_old'],
      ['iat zero', () => ({ iat: 0 }), 'iat_old'],
      ...member('nbf', ['1', null, true, {}, -1], 'nbf'),
      ['nbf in two minutes', (at) => ({ nbf: at + 120 }), 'nbf'],
      // JWT-43
      ...member('sub', [undefined, 12345, null, true, ['repo:acme/web:ref:refs/heads/main'], {}, ''], 'sub'),
      ...member('sub', ['repo:acme/web\n', 'a\u0000', 'a\u202eb', 'a\u200bb', '\ufeffa', 'a'.repeat(1_025)], 'sub'),
      // JWT-44
      ...member('jti', ['', 7, {}, null, [], 'a'.repeat(513), 'a b', 'a\n', 'a\u0000'], 'jti'),
    ])('%s', async (_, changes, reason) => {
      expect(await attacked.present(attacked.token(changes(now())))).toEqual(refused(reason));
    });

    it.each<[string, string, Reason]>([
      ['exp 1e400 (JWT-37)', '"exp":1e400', 'exp'],
      ['exp -1e400', '"exp":-1e400', 'exp'],
      ['a jti of 10,000 characters (JWT-44)', `"exp":1999999999,"jti":"${'a'.repeat(10_000)}"`, 'jti'],
    ])('%s', async (_, members, reason) => {
      const { exp: _exp, jti: _jti, ...others } = attacked.claims();
      const text = `${JSON.stringify(others).slice(0, -1)},${members}}`;
      expect(await attacked.present(attacked.token(text))).toEqual(refused(reason));
    });
  });

  describe('odd but valid tokens are accepted (JWT-49)', () => {
    it.each<[string, () => string]>([
      ['of each algorithm: RS256', () => attacked.token({}, {}, 'a1')],
      ['of each algorithm: ES256', () => attacked.token({}, {}, 'a2')],
      ['of each algorithm: EdDSA', () => attacked.token({}, {}, 'a3')],
      ['of each algorithm: ES384', () => attacked.token({}, {}, 'a4')],
      ['with x5t headers', () => attacked.token({}, { x5t: 'abc', 'x5t#S256': 'def' })],
      ['with headers nobody knows', () => attacked.token({}, { 'x-note': [1, { a: null }], nonce: 'n' })],
      ['without typ', () => attacked.token({}, { typ: undefined })],
      ['with typ in small letters', () => attacked.token({}, { typ: 'jwt' })],
      ['with typ as a media type', () => attacked.token({}, { typ: 'application/JWT' })],
      ['with aud as a list', () => attacked.token({ aud: ['https://sts.test'] })],
      ['with claims in another order', () => attacked.token(reversed(attacked.claims()))],
      ['with spaces and line ends in the claims', () => attacked.token(JSON.stringify(attacked.claims(), null, '\t'))],
      [
        'with escapes in the claims',
        () => attacked.token(JSON.stringify(attacked.claims()).replace('acme', '\\u0061cme')),
      ],
      ['with a job name in other scripts', () => attacked.token({ job: '🚀 déploiement 主', environment: 'prod ❤️' })],
      ['with a sub in other scripts', () => attacked.token({ sub: 'repo:acme/wéb:ref:refs/heads/主' })],
      ['with a sub of 1024 characters', () => attacked.token({ sub: 'a'.repeat(1_024) })],
      ['without nbf', () => attacked.token({ nbf: undefined })],
      ['without jti (RPL-05)', () => attacked.token({ jti: undefined })],
      ['with times that have fractions', () => attacked.token({ iat: now() - 1.5, exp: now() + 300.25 })],
      ['with an exp in a year', () => attacked.token({ exp: now() + 31_536_000 })],
      ['with an iat of yesterday', () => attacked.token({ iat: now() - 86_000 })],
      ['with a clock 30 s ahead', () => attacked.token({ iat: now() + 30, nbf: now() + 30 })],
      ['with a clock 30 s behind', () => attacked.token({ iat: now() - 330, exp: now() - 30 })],
      [
        'with nested claims',
        () => attacked.token({ 'kubernetes.io': { pod: { name: 'p', uid: 'u' } }, list: [[1], {}] }),
      ],
      ['with numbers of every kind', () => attacked.token({ a: -0, b: 1e-7, c: 1.5e300, d: 9_007_199_254_740_993 })],
      ['with an empty claim name', () => attacked.token({ '': '', ' ': ' ' })],
    ])('%s', async (_, token) => {
      const outcome = await attacked.present(token());
      expect({ ...outcome, goodTokenAfter: 0 }).toEqual({ ...(accepted as object), goodTokenAfter: 0 });
    });

    it('with spaces inside the header', async () => {
      const text = attacked.token();
      const header = '{ "kid" : "a2" ,\r\n\t"alg" : "ES256" }';
      const token = forge(header, Buffer.from(text.split('.')[1] ?? '', 'base64url'), attacked.key('a2'));
      expect(await attacked.present(token)).toEqual(accepted);
    });

    const reversed = (claims: Record<string, unknown>): Record<string, unknown> =>
      Object.fromEntries(Object.entries(claims).reverse());
  });

  describe('what the claims cannot do', () => {
    it('a prototype in them stays out of every object of the process (JWT-23)', async () => {
      const text = `${JSON.stringify(attacked.claims({ repository_id: '9' })).slice(0, -1)},"__proto__":{"repository_id":"1001"}}`;
      expect(await attacked.present(attacked.token(text))).toEqual(refused('json_proto'));
      expect(await attacked.present(attacked.token({ repository_id: undefined }))).toEqual(refused('no_matching_role'));
    });
  });

  // Last, over everything above (AUD-02, AUD-03).
  it('every attempt was recorded once, no token stands in the trail or in the log, and the issuer was not asked', async () => {
    expect(await attacked.notRecordedOnce()).toEqual([]);
    expect(await attacked.leaked()).toEqual([]);
    // A registration costs two fetches at most: one that looks at the issuer, and one for its keys.
    expect(Math.max(...Object.values(attacked.issuer.requests))).toBeLessThanOrEqual(2);
  });
}
