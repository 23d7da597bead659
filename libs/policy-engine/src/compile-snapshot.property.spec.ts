import fc from 'fast-check';
import { compileInSteps, compileSnapshot, type Snapshot } from './compile-snapshot';
import { decideExchange } from './decide-exchange';
import { decideVouchedSubject } from './decide-vouched-subject';
import type { CountersignDocument, RoleSpec } from './documents';
import { GITHUB as iss, githubIssuer, openPolicy, roleSpec } from './documents.fixture';
import { evaluatePermission } from './evaluate-permission';
import { lintInSteps } from './lint/lint-documents';
import type { Steps } from './steps';

const publicUrl = 'https://sts.example.com';
const pins = new Map([
  [`${iss} acme/web`, { iss, path: 'acme/web', repositoryId: '1', ownerId: '9' }],
  [`${iss} acme/api`, { iss, path: 'acme/api', repositoryId: '2', ownerId: '9' }],
]);

const other = 'https://keycloak.example';
const subjects = ['a', 'ab', 'b'];
const repositories: RoleSpec['repositories'] = [
  { platform: 'github', path: 'acme/web', repositoryId: null, ownerId: null, ref: null, environment: null },
];

/** Ways to write a Role: good, of no use, and broken. */
const specs: readonly Partial<RoleSpec>[] = [
  ...subjects.map((sub) => ({ condition: { StringEqual: { 'jwt:iss': [iss], 'jwt:sub': [sub] } } })),
  ...subjects.map((sub) => ({
    condition: { StringEqual: { 'jwt:iss': [iss] }, StringLike: { 'jwt:sub': [`${sub}*`] } },
  })),
  { condition: { StringEqual: { 'jwt:iss': [iss, other], 'jwt:ref': ['main'] } }, policy: ['p', 'q'] },
  { condition: { StringEqual: { 'jwt:iss': [other] }, 'ForAnyValue:StringEqual': { 'jwt:groups': ['g'] } } },
  { condition: { StringEqual: { 'jwt:iss': [iss] } }, repositories },
  { condition: { StringEqual: { 'jwt:iss': [iss] }, StringNotEqual: { 'jwt:sub': ['a'] } }, policy: ['q'] },
  { condition: { StringEqual: { 'subject:type': ['user'], 'subject:id': ['u'] } } },
  { condition: { StringEqual: { 'subject:type': ['user'] } }, policy: ['r'], shadow: true },
  { condition: { StringEqual: { 'jwt:iss': [iss], 'jwt:sub': ['a'] } }, disabled: true },
  { condition: { StringEqual: { 'jwt:sub': ['a'] } } },
  { condition: { StringLikes: { 'jwt:sub': ['a'] } } },
  { policy: 'p' as unknown as string[] },
];

const policySpecs = [
  (openPolicy as { spec: object }).spec,
  { statement: [{ sid: 'd', effect: 'Deny', action: ['A:*'], resource: ['ns:x'], condition: null }] },
  {},
];

const issuerSpecs = [
  { iss: other, platform: 'keycloak', disabled: false },
  { iss: other, platform: 'keycloak', disabled: true },
  { iss, platform: 'github', disabled: false },
];

const roleNames = Array.from({ length: 40 }, (_, n) => `r${String(n).padStart(2, '0')}`);
const written = (kind: string, name: string, spec: unknown) => ({ kind, name, spec }) as CountersignDocument;
const documentOf = fc.oneof(
  {
    arbitrary: fc
      .tuple(fc.constantFrom(...roleNames), fc.constantFrom(...specs))
      .map(([name, spec]) => written('Role', name, roleSpec(spec))),
    weight: 8,
  },
  {
    arbitrary: fc
      .tuple(fc.constantFrom('p', 'q', 'r'), fc.constantFrom(...policySpecs))
      .map(([name, spec]) => written('Policy', name, spec)),
    weight: 1,
  },
  {
    arbitrary: fc
      .tuple(fc.constantFrom('k1', 'k2'), fc.constantFrom(...issuerSpecs))
      .map(([name, spec]) => written('JwtIssuer', name, spec)),
    weight: 1,
  },
);
/** A document is put in the place of the one of its kind and name, or that one goes. */
const change = fc.record({ document: documentOf, goes: fc.boolean() });
const series = fc.record({
  first: fc.array(documentOf, { minLength: 30, maxLength: 60 }),
  then: fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 12 }),
});

const keyOf = ({ kind, name }: CountersignDocument): string => `${kind}/${name}`;
const inOrder = (documents: ReadonlyMap<string, CountersignDocument>) =>
  [...documents].sort(([one], [two]) => (one < two ? -1 : 1)).map(([, document]) => document);

const tokens = [
  ...subjects.map((sub) => ({ iss, sub })),
  { iss, sub: 'x', ref: 'main' },
  { iss: other, sub: 'x', ref: 'main' },
  { iss: other, sub: 'x', groups: ['g'] },
  { iss: other, sub: 'x', _claim_names: { groups: 'src1' } },
  { iss, sub: 'x', repository: 'acme/web', repository_id: '1', repository_owner_id: '9', repository_owner: 'acme' },
  { iss, sub: 'x', repository: 'acme/web', repository_id: '5', repository_owner_id: '9', repository_owner: 'acme' },
];
const nothing = { audiences: [], roles: null, policies: null, sourceIp: null, now: 0 };

/** Everything a snapshot decides here, but for how many roles the index offered. */
function decisionsOf(snapshot: Snapshot): unknown {
  const exchanges = [githubIssuer.name, 'k1', 'k2'].flatMap((issuer) =>
    tokens.map((claims) => ({ ...decideExchange(snapshot, { issuer, claims, ...nothing }), rolesExamined: null })),
  );
  const subject = { type: 'user', id: 'u', properties: {} };
  const vouched = decideVouchedSubject(snapshot, { subject, context: {}, sourceIp: null, now: 0 });
  const asked = { action: { name: 'A:B', properties: {} }, resource: 'ns:x', resourceProperties: {}, context: {} };
  const permissions = ['p', 'q', 'r'].map((name) =>
    evaluatePermission(snapshot, { policies: [name], claims: {}, subject, ...asked, sourceIp: null, now: 0 }),
  );
  return { exchanges, vouched: { ...vouched, rolesExamined: null }, permissions };
}

const visibleOf = ({ issuers, policies, roles, disabledRoles, errors }: Snapshot) => ({
  issuers: [...issuers],
  policies: [...policies.keys()],
  roles: [...roles.keys()],
  disabledRoles: [...disabledRoles.keys()],
  errors,
});

test('a snapshot made of the one before equals one that is compiled at once, whatever the series of changes', () => {
  fc.assert(
    fc.property(series, ({ first, then }) => {
      const documents = new Map([githubIssuer, openPolicy, ...first].map((document) => [keyOf(document), document]));
      let before = compileSnapshot({ documents: inOrder(documents), publicUrl, revision: 0, pins });
      for (const [index, changes] of then.entries()) {
        for (const { document, goes } of changes) {
          if (goes) documents.delete(keyOf(document));
          else documents.set(keyOf(document), document);
        }
        const input = { documents: inOrder(documents), publicUrl, revision: index + 1, pins };
        const atOnce = compileSnapshot(input);
        before = compileSnapshot({ ...input, before });
        expect(visibleOf(before)).toEqual(visibleOf(atOnce));
        expect(decisionsOf(before)).toEqual(decisionsOf(atOnce));
      }
    }),
    { seed: 20_261_122, numRuns: 50 },
  );
});

describe('of a thousand roles', () => {
  const roleOf = (n: number, sub = `user-${n}`) =>
    written('Role', `r${n}`, roleSpec({ condition: { StringEqual: { 'jwt:iss': [iss], 'jwt:sub': [sub] } } }));
  const base = [githubIssuer, openPolicy];
  const roles = Array.from({ length: 1_000 }, (_, n) => roleOf(n));
  const compile = (documents: CountersignDocument[], more: { before?: Snapshot; publicUrl?: string } = {}) =>
    compileSnapshot({ documents: [...base, ...documents], publicUrl, revision: 1, pins, ...more });
  const before = compile(roles);
  const compiledAgain = (after: Snapshot) =>
    [...after.roles.values()].filter((role) => before.roles.get(role.name) !== role).map(({ name }) => name);
  const asked = (snapshot: Snapshot, sub: string) => {
    const { roles: found, rolesExamined } = decideExchange(snapshot, {
      issuer: 'github',
      claims: { iss, sub },
      ...nothing,
    });
    return [found, rolesExamined];
  };

  test('one that is changed is compiled and filed, and no other', () => {
    const after = compile([...roles.slice(1), roleOf(0, 'somebody')], { before });
    expect(compiledAgain(after)).toEqual(['r0']);
    expect(after.rolesByIssuer.filed).toBe(before.rolesByIssuer.filed);
    expect(asked(after, 'somebody')).toEqual([['r0'], 1]);
    expect(asked(after, 'user-0')).toEqual([[], 0]);
    expect(asked(after, 'user-7')).toEqual([['r7'], 1]);
    expect(asked(before, 'user-0')).toEqual([['r0'], 1]);
  });

  test('one that is gone asks for no groups any more, whose absence is then no reason', () => {
    const groups = { StringEqual: { 'jwt:iss': [iss] }, 'ForAnyValue:StringEqual': { 'jwt:groups': ['g'] } };
    const asking = compile([...roles, written('Role', 'groups', roleSpec({ condition: groups }))]);
    const claims = { iss, sub: 'x', _claim_names: { groups: 'src1' } };
    const reasonOf = (snapshot: Snapshot) => decideExchange(snapshot, { issuer: 'github', claims, ...nothing }).reason;
    expect(reasonOf(asking)).toBe('groups_overage');
    expect(reasonOf(compile(roles, { before: asking }))).toBe('no_matching_role');
  });

  test('all are filed again once more than an eighth is new or gone', () => {
    const few = compile(roles.slice(100), { before });
    expect(few.rolesByIssuer.filed).toBe(before.rolesByIssuer.filed);
    const many = compile(roles.slice(200), { before: few });
    expect(many.rolesByIssuer.filed).not.toBe(before.rolesByIssuer.filed);
    expect(compiledAgain(many)).toEqual([]);
    expect(asked(many, 'user-500')).toEqual([['r500'], 1]);
  });

  test('none is taken over from a snapshot of another URL, whose default audience it has', () => {
    expect(compiledAgain(compile(roles, { before, publicUrl: 'https://other.example' }))).toHaveLength(1_000);
  });

  test('no step compiles or lints more than a hundred', () => {
    const looked = new Set<string>();
    const watched = roles.map((document) => ({
      ...document,
      get spec() {
        looked.add(document.name);
        return document.spec as RoleSpec;
      },
    })) as CountersignDocument[];
    const mostInAStep = (steps: Steps<unknown>): number => {
      let most = 0;
      for (looked.clear(); !steps.next().done; looked.clear()) most = Math.max(most, looked.size);
      return most;
    };
    const documents = [...base, ...watched];
    expect(mostInAStep(compileInSteps({ documents, publicUrl, revision: 1 }))).toBe(100);
    expect(mostInAStep(lintInSteps(watched, { adminActions: [] }))).toBe(100);
  });
});
