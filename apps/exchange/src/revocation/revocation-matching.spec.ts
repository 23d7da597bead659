import { isRevokedBy, NARROWING_GRACE_SECONDS, type Revocation } from './revocation-matching';

const AT = 1_800_000_000;

const token = {
  issuer: 'github',
  iss: 'https://token.actions.githubusercontent.com',
  roles: ['deployers', 'readers'],
  claims: {
    run_id: '42',
    run_number: 7,
    fork: false,
    groups: ['dev', 'ops'],
    'https://acme.example/team': 'web',
    'kubernetes.io': { namespace: 'prod', 'a/b': 'c', deep: { er: 'x' } },
    nothing: null,
    empty: '',
    sub: 'repo:acme/web:ref:refs/heads/main',
    iss: 'https://token.actions.githubusercontent.com',
  },
  iat: AT - 60,
  parents: [] as string[],
};

const revocation = (terms: Partial<Revocation>): Revocation => ({
  issuer: null,
  role: null,
  claims: {},
  createdAt: AT,
  expiresAt: AT + 86_400,
  ...terms,
});

describe('a revocation kills', () => {
  it.each<[string, Partial<Revocation>]>([
    ['by the name of the issuer', { issuer: 'github' }],
    ['by the iss of the issuer', { issuer: 'https://token.actions.githubusercontent.com' }],
    ['by one of the roles', { role: 'readers' }],
    ['by a claim', { claims: { run_id: '42' } }],
    ['by the sub of the subject token', { claims: { sub: 'repo:acme/web:ref:refs/heads/main' } }],
    ['by a claim that is a number', { claims: { run_number: '7' } }],
    ['by a claim that is a boolean', { claims: { fork: 'false' } }],
    ['by an item of a list', { claims: { groups: 'ops' } }],
    ['by a claim whose name is a URL', { claims: { 'https://acme.example/team': 'web' } }],
    ['by a nested claim', { claims: { '/kubernetes.io/namespace': 'prod' } }],
    ['by a nested claim with an escaped name', { claims: { '/kubernetes.io/a~1b': 'c' } }],
    ['by all that is given at once', { issuer: 'github', role: 'deployers', claims: { run_id: '42', groups: 'dev' } }],
  ])('%s', (_, terms) => {
    expect(isRevokedBy(revocation(terms), token)).toBe(true);
  });
});

describe('a revocation spares', () => {
  it.each<[string, Partial<Revocation>]>([
    ['another issuer', { issuer: 'gitlab' }],
    ['an iss that is only alike', { issuer: 'https://token.actions.githubusercontent.com/' }],
    ['another role', { role: 'deployer' }],
    ['another value', { claims: { run_id: '420' } }],
    ['a value that is only a part', { claims: { run_id: '4' } }],
    ['no pattern matches', { claims: { run_id: '*' } }],
    ['a token without the claim', { claims: { sha: 'abc' } }],
    ['a claim that is null', { claims: { nothing: 'null' } }],
    ['an object', { claims: { 'kubernetes.io': '[object Object]' } }],
    ['what every object has', { claims: { constructor: 'function Object() { [native code] }' } }],
    ['what every object has, nested', { claims: { '/run_id/length': '2' } }],
    ['a claim too little', { claims: { run_id: '42', groups: 'admins' } }],
    ['the right claim of another issuer', { issuer: 'gitlab', claims: { run_id: '42' } }],
  ])('%s', (_, terms) => {
    expect(isRevokedBy(revocation(terms), token)).toBe(false);
  });
});

describe('time', () => {
  it.each([
    ['issued long before', AT - 80_000, true],
    ['issued in the second before', AT - 1, true],
    ['issued in the same second', AT, true],
    ['issued in the next second: a revocation is no ban', AT + 1, false],
  ])('a token %s', (_, iat, revoked) => {
    expect(isRevokedBy(revocation({ issuer: 'github', createdAt: AT + 0.9 }), { ...token, iat })).toBe(revoked);
  });

  it.each([
    ['narrowed while a replica may not have heard of the revocation', AT + NARROWING_GRACE_SECONDS, true],
    ['narrowed after that', AT + NARROWING_GRACE_SECONDS + 1, false],
  ])('a token %s', (_, iat, revoked) => {
    const narrowed = { ...token, iat, parents: ['parent'] };
    expect(isRevokedBy(revocation({ issuer: 'github' }), narrowed)).toBe(revoked);
  });
});
