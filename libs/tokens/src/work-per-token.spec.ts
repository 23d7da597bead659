import crypto from 'node:crypto';
import { intakeKeys, IssuerRules, Jwk, parseSubjectToken, verifySubjectToken } from './index';
import { claims, encode, issuer, KeyPair, mint, newKey, now } from './tokens.fixture';

/** Counted, not timed: what a token may cost. How long it takes is measured by bench/verify.bench.mjs. */

let pair: KeyPair;
let keys: Jwk[];
const verifications = jest.spyOn(crypto, 'verify');
const imports = jest.spyOn(crypto, 'createPublicKey');

beforeAll(async () => {
  pair = await newKey('a2', 'ES256');
});

beforeEach(() => {
  ({ keys } = intakeKeys({ keys: [pair.publicJwk] }));
  verifications.mockClear();
  imports.mockClear();
});

const head = { alg: 'ES256', kid: 'a2' };
const token = (changes: Record<string, unknown> = {}): string => mint(head, claims(changes), pair);

function present(text: string, rules: Partial<IssuerRules> = {}): boolean {
  const result = parseSubjectToken(text);
  if (!result.ok) return false;
  return verifySubjectToken({ parsed: result.parsed, issuer: issuer(rules), keys, now }).ok;
}

const work = () => ({ verifications: verifications.mock.calls.length, imports: imports.mock.calls.length });

it('a key is imported to be judged and to be used, however many tokens it verifies, and each token is verified anew (JWT-48)', () => {
  const repeated = token();
  for (let count = 0; count < 20; count++) expect(present(repeated)).toBe(true);
  expect(work()).toEqual({ verifications: 20, imports: 2 });
});

it('one signature is verified for a token that its claims refuse', () => {
  expect(present(token({ aud: 'https://other.test' }))).toBe(false);
  expect(work().verifications).toBe(1);
});

it.each<[string, () => string, Partial<IssuerRules>]>([
  ['has no form', () => `${token()}=`, {}],
  ['is too long', () => token({ x: 'a'.repeat(20_000) }), {}],
  ['is no strict JSON', () => mint(head, '{"a":1,"a":2}', pair), {}],
  ['brings a key', () => mint({ ...head, jwk: pair.publicJwk }, claims(), pair), {}],
  [
    'would derive a key from a password',
    () => `${encode({ alg: 'PBES2-HS256+A128KW', p2c: 2 ** 31 - 1 })}.AA.AA.AA.AA`,
    {},
  ],
  ['is of another issuer', () => token({ iss: 'https://issuer-b.test' }), {}],
  ['has an algorithm that the issuer does not use', () => token(), { algorithms: ['RS256'] }],
  ['names another key', () => mint({ ...head, kid: 'a3' }, claims(), pair), {}],
  ['names no key', () => mint({ alg: 'ES256' }, claims(), pair), {}],
])('no key is touched for a token that %s', (_, text, rules) => {
  expect(present(text(), rules)).toBe(false);
  expect(work()).toEqual({ verifications: 0, imports: 0 });
});
