import { compileRole, type CompiledRole } from './compile-role';
import { compileSnapshot } from './compile-snapshot';
import { decideExchange } from './decide-exchange';
import { decideVouchedSubject } from './decide-vouched-subject';
import type { ExchangeRequest } from './decisions';
import type { Condition, CountersignDocument, RepositoryPrincipal, RoleSpec } from './documents';
import { roleMatches } from './match-roles';
import { indexRoles } from './role-index';
import { atOnce } from './steps';
import { GITHUB as iss, githubIssuer as issuer, openPolicy as policy, roleSpec } from './documents.fixture';

const publicUrl = 'https://sts.example.com';

const spec = (condition: Condition, more: Partial<RoleSpec> = {}): RoleSpec => roleSpec({ condition, ...more });
const role = (name: string, condition: Condition, more: Partial<RoleSpec> = {}): CountersignDocument => ({
  kind: 'Role',
  name,
  spec: spec(condition, more),
});

const count = 10_000;
const many = (make: (n: number) => CountersignDocument): CountersignDocument[] => [
  issuer,
  policy,
  ...Array.from({ length: count }, (_, n) => make(n)),
];
const request = (claims: Record<string, unknown>): ExchangeRequest => ({
  issuer: 'github',
  claims: { iss, ...claims },
  audiences: [],
  roles: null,
  policies: null,
  sourceIp: null,
  now: 0,
});

describe(`one of ${count} roles is found without looking at the others`, () => {
  const owner = { 'jwt:iss': [iss], 'jwt:repository_owner_id': ['1'] };
  test.each<[string, (n: number) => CountersignDocument, Record<string, unknown>]>([
    [
      'by the claim that fewest roles share',
      (n) =>
        role(`r${n}`, { StringEqual: { ...owner, 'jwt:ref': ['refs/heads/main'], 'jwt:repository_id': [`${n}`] } }),
      { repository_owner_id: '1', ref: 'refs/heads/main', repository_id: '77' },
    ],
    [
      'by its principal',
      (n) => role(`r${n}`, { StringEqual: owner }, { principal: [`user-${n}`, `admin-${n}`] }),
      { repository_owner_id: '1', sub: 'admin-77' },
    ],
    [
      'by the text before the first wildcard',
      (n) => role(`r${n}`, { StringEqual: owner, StringLike: { 'jwt:sub': [`repo:acme/svc-${n}:*`] } }),
      { repository_owner_id: '1', sub: 'repo:acme/svc-77:ref:refs/heads/main' },
    ],
    [
      'by an element of an array',
      (n) => role(`r${n}`, { StringEqual: owner, 'ForAnyValue:StringEqual': { 'jwt:teams': [`team-${n}`] } }),
      { repository_owner_id: '1', teams: ['all', 'team-77'] },
    ],
    [
      'by a nested claim',
      (n) => role(`r${n}`, { StringEqual: { ...owner, 'jwt:/k8s/namespace': [`ns-${n}`] } }),
      { repository_owner_id: '1', k8s: { namespace: 'ns-77' } },
    ],
    [
      'by its issuer',
      (n) => role(`r${n}`, { StringEqual: { 'jwt:iss': [n === 77 ? iss : `https://issuer-${n}.example.com`] } }),
      {},
    ],
  ])('%s', (_, make, claims) => {
    const snapshot = compileSnapshot({ documents: many(make), publicUrl, revision: 1 });
    const decision = decideExchange(snapshot, request(claims));
    expect(decision).toMatchObject({ effect: 'Allow', roles: ['r77'], rolesExamined: 1 });
    expect(decideExchange(snapshot, request({ ...claims, iss: 'https://evil.test' })).rolesExamined).toBe(0);
  });

  test('for a vouched subject', () => {
    const make = (n: number) => role(`r${n}`, { StringEqual: { 'subject:type': ['user'], 'subject:id': [`u${n}`] } });
    const snapshot = compileSnapshot({ documents: many(make), publicUrl, revision: 1 });
    const subject = { type: 'user', id: 'u77', properties: {} };
    const decision = decideVouchedSubject(snapshot, { subject, context: {}, sourceIp: null, now: 0 });
    expect(decision).toMatchObject({ roles: ['r77'], policies: ['p'], rolesExamined: 1 });
  });
});

// Counted, because a time says more about the machine than about the index.
test('ten times and a hundred times as many roles make a decision look at no more of them', () => {
  const owner = { 'jwt:iss': [iss], 'jwt:repository_owner_id': ['1'] };
  const kinds: ((n: number) => Partial<RoleSpec>)[] = [
    (n) => ({ condition: { StringEqual: { ...owner, 'jwt:repository_id': [`${n}`] } } }),
    (n) => ({ condition: { StringEqual: owner, StringLike: { 'jwt:sub': [`repo:acme/svc-${n}:*`] } } }),
    (n) => ({ condition: { StringEqual: owner, 'ForAnyValue:StringEqual': { 'jwt:teams': [`team-${n}`] } } }),
    (n) => ({ condition: { StringEqual: { 'jwt:iss': [iss] } }, repositories: [repository(n)] }),
  ];
  const examined = [40, 400, 4_000].map((size) => {
    const roles = Array.from({ length: size }, (_, n) => role(`r${n}`, {}, kinds[n % kinds.length]?.(n)));
    const snapshot = compileSnapshot({ documents: [issuer, policy, ...roles], publicUrl, revision: 1 });
    expect(snapshot.errors).toEqual([]);
    return kinds.map((_, n) => decideExchange(snapshot, request(jobOf(n))).rolesExamined);
  });
  expect(examined).toEqual([examined[0], examined[0], examined[0]]);
  expect(examined[0]).toEqual([1, 1, 1, 1]);
});

const repository = (n: number): RepositoryPrincipal => ({
  platform: 'github',
  path: `acme/svc-${n}`,
  repositoryId: null,
  ownerId: null,
  ref: null,
  environment: null,
});

const jobOf = (n: number) => ({
  sub: `repo:acme/svc-${n}:ref:refs/heads/main`,
  repository: `acme/svc-${n}`,
  repository_owner: 'acme',
  repository_owner_id: '1',
  repository_id: `${n}`,
  teams: ['everybody', `team-${n}`],
});

describe('the index never loses a role that matches', () => {
  const random = lcg(20261120);
  const pick = <T>(items: readonly T[]): T => items[random() % items.length] as T;
  const keys = ['jwt:sub', 'jwt:repo', 'jwt:teams', 'jwt:/a/b'];
  const values = ['a', 'ab', 'abc', 'b', 'a*', 'ab?', '*c', 'prod'];
  const operators = [
    'StringEqual',
    'StringNotEqual',
    'StringLike',
    'StringNotLike',
    'StringEqualIgnoreCase',
    'StringEqualIfExists',
    'StringLikeIfExists',
    'ForAnyValue:StringEqual',
    'ForAllValues:StringLike',
    'Null',
  ];
  const randomCondition = (): Condition => {
    const condition: Condition = { StringEqual: { 'jwt:iss': [iss] } };
    for (let n = random() % 3; n >= 0; n -= 1) {
      const operator = pick(operators);
      const list = operator === 'Null' ? [pick(['true', 'false'])] : [pick(values), pick(values)];
      condition[operator] = { ...condition[operator], [pick(keys)]: list };
    }
    return condition;
  };
  const randomValue = () =>
    pick<unknown>([undefined, 'a', 'ab', 'abc', 'A', 'prod', ['a', 'b'], ['abc'], [], 5, null, '']);
  const randomClaims = () => ({
    iss,
    sub: randomValue(),
    repo: randomValue(),
    teams: randomValue(),
    a: { b: randomValue() },
  });

  test('it offers every role of 300 that a scan of all of them finds, for 500 tokens', () => {
    const roles = Array.from({ length: 300 }, (_, n) => compiled(`r${n}`, randomCondition()));
    const index = atOnce(indexRoles(new Map(roles.map((item) => [item.name, item])), 'jwt:iss'));
    let matches = 0;
    for (let n = 0; n < 500; n += 1) {
      const claims = JSON.parse(JSON.stringify(randomClaims())) as Record<string, unknown>;
      const attributes = { claims, ctx: { sourceIp: null, time: 0, audience: [] } };
      const scanned = roles.filter((item) => roleMatches(item, attributes));
      const offered = new Set(index.candidates(iss, attributes));
      matches += scanned.length;
      expect(scanned.filter((item) => !offered.has(item)).map(({ name }) => name)).toEqual([]);
    }
    expect(matches).toBeGreaterThan(1_000);
  });
});

function compiled(name: string, condition: Condition): CompiledRole {
  const result = compileRole(name, spec(condition), publicUrl);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.role;
}

function lcg(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}
