import fc from 'fast-check';
import { compileSnapshot, type Snapshot } from '../compile-snapshot';
import { decideExchange } from '../decide-exchange';
import type { ExchangeDecision, PermissionDecision } from '../decisions';
import type { Condition, CountersignDocument, RepositoryPrincipal, RoleSpec, Statement } from '../documents';
import { roleSpec } from '../documents.fixture';
import { evaluatePermission } from '../evaluate-permission';
import { rolesThatLet, type SeenIdentity } from './identity-reach';
import { whoCan, type ReachingRole } from './who-can';

const ISS = ['https://a.example', 'https://b.example'];
const NOW = 1_800_000_000;

const issuers = ISS.map((iss, n) => ({
  kind: 'JwtIssuer',
  name: `issuer-${n}`,
  spec: { iss, platform: 'github', disabled: false },
})) as CountersignDocument[];

const role = (name: string, condition: Condition, more: Partial<RoleSpec> = {}): CountersignDocument => ({
  kind: 'Role',
  name,
  spec: roleSpec({ condition, ...more }),
});
const policy = (name: string, ...statement: Statement[]): CountersignDocument => ({
  kind: 'Policy',
  name,
  spec: { statement },
});
const statement = (effect: 'Allow' | 'Deny', more: Partial<Statement> = {}): Statement => ({
  ...{ sid: null, effect, action: ['Function:Create'], resource: ['staging:*'], condition: null },
  ...more,
});
const compile = (...documents: CountersignDocument[]): Snapshot =>
  compileSnapshot({ documents: [...issuers, ...documents], publicUrl: 'https://sts.example', revision: 7 });

const question = { action: 'Function:Create', resource: 'staging:x' };
const ofA = { StringEqual: { 'jwt:iss': [ISS[0] ?? ''] } };
const found = (...documents: CountersignDocument[]) => whoCan(compile(...documents), question);

describe('who can', () => {
  it('names the role, the statement, and what both ask for', () => {
    const condition = { StringLike: { 'jwt:ref': ['refs/tags/*'], 'resource:/owner/team': ['x'] } };
    const documents = [
      policy('p', statement('Allow', { sid: 's', condition })),
      role('deploy', { ...ofA, StringLike: { 'jwt:sub': ['repo:acme/*'] } }, { principal: ['one', 'two'] }),
    ];
    expect(found(...documents)).toEqual([
      {
        name: 'deploy',
        policy: 'p',
        sid: 's',
        principal: { 'jwt:sub': ['one', 'two'] },
        condition: { ...ofA, StringLike: { 'jwt:sub': ['repo:acme/*'] } },
        statementCondition: condition,
        resourceClaims: [],
        deniedBy: [],
      },
    ]);
  });

  it.each<[string, Partial<Statement>, boolean]>([
    ['another action', { action: ['Function:Delete'] }, false],
    ['a wildcard action', { action: ['Function:*'] }, true],
    ['another resource', { resource: ['prod:*'] }, false],
    ['one of several resources', { resource: ['prod:*', 'staging:x'] }, true],
    [
      'a condition on the type of the resource that holds',
      { condition: { StringEqual: { 'resource:type': ['staging'] } } },
      true,
    ],
    [
      'a condition on the type of the resource that does not',
      { condition: { StringEqual: { 'resource:type': ['prod'] } } },
      false,
    ],
    [
      'a condition on the name of the action that does not hold',
      { condition: { StringLike: { 'action:name': ['X:*'] } } },
      false,
    ],
    ['a condition that depends on the subject', { condition: { StringEqual: { 'jwt:sub': ['x'] } } }, true],
  ])('looks at what the question says: %s', (_, more, listed) => {
    expect(found(policy('p', statement('Allow', more)), role('r', ofA))).toHaveLength(listed ? 1 : 0);
  });

  it.each<[string, string[], string[] | null]>([
    ['a template that some value fills', ['staging:${jwt:team}'], ['team']],
    ['a template in the type', ['${jwt:env}:x'], ['env']],
    ['a template beside a resource that is meant anyway', ['staging:${jwt:team}', 'staging:*'], []],
    ['a template that no value can fill: it would be empty', ['staging:x${jwt:team}'], null],
    ['a template elsewhere', ['prod:${jwt:team}'], null],
  ])('counts as possible, with the claim named: %s', (_, resource, claims) => {
    const [entry] = found(policy('p', statement('Allow', { resource })), role('r', ofA));
    expect(entry?.resourceClaims ?? null).toEqual(claims);
  });

  it.each<[string, CountersignDocument[]]>([
    ['a shadow role', [policy('p', statement('Allow')), role('r', ofA, { shadow: true })]],
    ['a disabled role', [policy('p', statement('Allow')), role('r', ofA, { disabled: true })]],
    ['a role with a Deny that always applies', [policy('p', statement('Allow'), statement('Deny')), role('r', ofA)]],
    [
      'a role with such a Deny in another policy',
      [policy('p', statement('Allow')), policy('q', statement('Deny')), role('r', ofA, { policy: ['p', 'q'] })],
    ],
  ])('leaves out %s', (_, documents) => {
    expect(found(...documents)).toEqual([]);
  });

  it('lists a Deny that depends on something', () => {
    const condition = { Bool: { 'context:frozen': ['true'] } };
    const denies = [
      statement('Deny', { sid: 'frozen', condition }),
      statement('Deny', { sid: 'foreign', resource: ['prod:${jwt:team}'] }),
      statement('Deny', { sid: 'elsewhere', resource: ['prod:*'] }),
    ];
    const [entry] = found(policy('p', statement('Allow'), ...denies), role('r', ofA));
    expect(entry?.deniedBy).toEqual([
      { role: 'r', policy: 'p', sid: 'frozen', condition, resourceClaims: [] },
      // A Deny whose template finds no claim denies every resource.
      { role: 'r', policy: 'p', sid: 'foreign', condition: null, resourceClaims: ['team'] },
    ]);
  });

  it('lists a Deny of a role that may match as well, and of none that is pinned apart', () => {
    const of = (sub: string[]): Condition => ({ StringEqual: { ...ofA.StringEqual, 'jwt:sub': sub } });
    const entries = found(
      ...[policy('p', statement('Allow')), policy('q', statement('Deny'))],
      role('r', of(['a', 'b'])),
      role('same', of(['b', 'c']), { policy: ['q'] }),
      role('apart', of(['c']), { policy: ['q'] }),
      role('other-issuer', { StringEqual: { 'jwt:iss': [ISS[1] ?? ''] } }, { policy: ['q'] }),
    );
    expect(entries).toMatchObject([{ name: 'r', deniedBy: [{ role: 'same', policy: 'q', condition: null }] }]);
  });

  it('names repositories as a document does', () => {
    const web: RepositoryPrincipal = {
      ...{ platform: 'github', path: 'acme/web', repositoryId: null, ownerId: null },
      ...{ ref: 'refs/heads/main', environment: null },
    };
    const repositories = [web, { ...web, repositoryId: '2', ownerId: '1', ref: null, environment: 'prod' }];
    const [entry] = found(policy('p', statement('Allow')), role('r', ofA, { repositories }));
    expect(entry).toMatchObject({
      principal: ['github:acme/web@refs/heads/main', 'github:acme@1/web@2@environment:prod'],
      condition: ofA,
    });
  });

  it('names roles for subjects that an enforcement point vouches for', () => {
    const condition = { StringEqual: { 'subject:type': ['user'], 'subject:id': ['ann'] } };
    expect(found(policy('p', statement('Allow')), role('r', condition))).toMatchObject([{ name: 'r', condition }]);
  });
});

const oneOf = <T>(...values: T[]) => fc.constantFrom(...values);
const listOf = (...values: string[]) => fc.subarray(values, { minLength: 1 });

const check = fc.oneof(
  fc.tuple(
    oneOf('StringEqual', 'StringNotEqual', 'StringEqualIfExists'),
    oneOf('jwt:team', 'jwt:sub'),
    listOf('x', 'y', 'z'),
  ),
  fc.tuple(
    oneOf('StringLike', 'StringNotLike'),
    oneOf('jwt:sub', 'action:name', 'resource:id'),
    listOf('x*', 'F?*', '*e'),
  ),
  fc.tuple(oneOf('StringEqual'), oneOf('resource:type', 'resource:id'), listOf('staging', 'x', '${jwt:team}')),
  fc.tuple(oneOf('IpAddress'), oneOf('ctx:sourceIp'), listOf('10.0.0.0/8', '192.0.2.1')),
  fc.tuple(oneOf('Null'), oneOf('jwt:team'), listOf('true')),
);
const conditionOf = (checks: [string, string, string[]][]): Condition => {
  const condition: Condition = {};
  for (const [operator, key, values] of checks) (condition[operator] ??= {})[key] = values;
  return condition;
};
const plain = ([, key, values]: [string, string, string[]]): boolean =>
  !key.startsWith('resource:') && !key.startsWith('action:') && !values.join('').includes('$');
const anyStatement = fc.record({
  effect: fc.oneof(
    { weight: 3, arbitrary: oneOf<'Allow' | 'Deny'>('Allow') },
    { weight: 1, arbitrary: oneOf<'Allow' | 'Deny'>('Deny') },
  ),
  action: listOf('Function:Create', 'Function:*', 'Other:Read'),
  resource: listOf('*', 'staging:*', 'staging:x', 'prod:*', 'staging:${jwt:team}', '${jwt:team}:x'),
  condition: fc.option(fc.array(check, { minLength: 1, maxLength: 2 }).map(conditionOf)),
});
const anyRole = fc.record({
  iss: fc.subarray(ISS, { minLength: 1 }),
  policy: listOf('p0', 'p1', 'p2'),
  checks: fc.array(check.filter(plain), { maxLength: 2 }),
  principal: fc.option(listOf('x', 'y')),
  trustedIps: oneOf<string[]>([], [], ['10.0.0.0/8']),
  shadow: oneOf(false, false, false, true),
  allowedEvents: oneOf<string[]>([], ['workflow_run']),
});
const anySnapshot = fc
  .record({
    policies: fc.array(fc.array(anyStatement, { minLength: 1, maxLength: 3 }), { minLength: 3, maxLength: 3 }),
    roles: fc.array(anyRole, { minLength: 1, maxLength: 4 }),
  })
  .map(({ policies, roles }) =>
    compile(
      ...policies.map((list, n) => policy(`p${n}`, ...list.map((one, at) => ({ ...one, sid: `s${at}` })))),
      ...roles.map(({ iss, checks, ...more }, n) => {
        const { StringEqual, ...rest } = conditionOf(checks);
        return role(`r${n}`, { ...rest, StringEqual: { ...StringEqual, 'jwt:iss': iss } }, more);
      }),
    ),
  );

/** Every identity there is in this small world. */
const world: SeenIdentity[] = ISS.flatMap((iss, n) =>
  ['x', 'y', 'xe'].flatMap((sub) =>
    [undefined, 'x', 'y', 'staging'].flatMap((team) =>
      [undefined, 'workflow_run'].flatMap((event) =>
        [null, '10.0.0.9', '192.0.2.1'].map((sourceIp) => ({
          issuer: `issuer-${n}`,
          claims: { iss, sub, ...(team && { team }), ...(event && { event_name: event }) },
          audiences: [],
          sourceIp,
        })),
      ),
    ),
  ),
);

/** Exhaustive: exchange with all roles and with each alone, then the question. */
function* everyDecision(snapshot: Snapshot) {
  const scopes = [null, ...[...snapshot.roles.keys()].map((name) => [name])];
  for (const identity of world) {
    for (const scope of scopes) {
      const exchange = decideExchange(snapshot, { ...identity, roles: scope, policies: null, now: NOW });
      if (exchange.effect === 'Deny') continue;
      yield { identity, scope, exchange, decision: decideQuestion(snapshot, identity, exchange) };
    }
  }
}

const decideQuestion = (snapshot: Snapshot, identity: SeenIdentity, exchange: ExchangeDecision): PermissionDecision =>
  evaluatePermission(snapshot, {
    ...{ policies: exchange.policies, roles: exchange.roles, audiences: exchange.obligations.audience },
    ...{ claims: identity.claims, sourceIp: identity.sourceIp, now: NOW },
    subject: { type: 'access_token', id: `${identity.issuer}:${String(identity.claims['sub'])}`, properties: {} },
    action: { name: question.action, properties: {} },
    ...{ resource: question.resource, resourceProperties: {}, context: {} },
  });

/** `role policy sid` of everything that let somebody. */
const lettingIn = (snapshot: Snapshot, roles: string[], { determining }: PermissionDecision): string[] =>
  determining.flatMap(({ policy: by, sid }) =>
    roles
      .filter((name) => snapshot.roles.get(name)?.policies.includes(by))
      .map((name) => `${name} ${by} ${String(sid)}`),
  );

const isWithoutIf = ({ statementCondition, resourceClaims }: ReachingRole): boolean =>
  statementCondition === null && resourceClaims.length === 0;

/** Only a Deny that is listed may stand between the role and what it gives. */
function expectNamed({ deniedBy }: ReachingRole, reasons: string[]): void {
  expect(reasons.length).toBeGreaterThan(0);
  expect(deniedBy.map(({ policy: by, sid }) => `${by} ${String(sid)}`)).toEqual(expect.arrayContaining(reasons));
}

describe('equals exhaustive evaluation', () => {
  it('over random documents: whoever may is listed, and whoever is listed without an if may', () => {
    fc.assert(
      fc.property(anySnapshot, (snapshot) => {
        const listed = whoCan(snapshot, question);
        const letting = new Set<string>();
        for (const { exchange, decision } of everyDecision(snapshot)) {
          const reasons = decision.determining.map(({ policy: by, sid }) => `${by} ${String(sid)}`);
          const held = listed.filter(({ name }) => exchange.roles.includes(name));
          if (decision.effect === 'Allow')
            lettingIn(snapshot, exchange.roles, decision).forEach((one) => letting.add(one));
          else held.filter(isWithoutIf).forEach((entry) => expectNamed(entry, reasons));
        }
        const entries = listed.map(({ name, policy: by, sid }) => `${name} ${by} ${String(sid)}`);
        expect(entries).toEqual(expect.arrayContaining([...letting]));
      }),
      { numRuns: 60 },
    );
  });

  it('over random documents: an identity is let, and by whom, as its exchange and its token are', () => {
    fc.assert(
      fc.property(anySnapshot, (snapshot) => {
        for (const { identity, scope, exchange, decision } of everyDecision(snapshot)) {
          if (scope !== null) continue;
          const by = new Set(decision.determining.map(({ policy: name }) => name));
          const wanted = exchange.roles.filter((name) => snapshot.roles.get(name)?.policies.some((one) => by.has(one)));
          const roles = rolesThatLet(snapshot, identity, { ...question, now: NOW });
          expect(roles).toEqual(decision.effect === 'Allow' ? wanted : null);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('and the world has both kinds of answers', () => {
    const effects = new Set<string>();
    for (const snapshot of fc.sample(anySnapshot, { numRuns: 20, seed: 1 })) {
      for (const { decision } of everyDecision(snapshot)) effects.add(decision.effect);
    }
    expect([...effects].sort()).toEqual(['Allow', 'Deny']);
  });
});

it('finds one among 5,000 roles that share a Deny without comparing them all', () => {
  const roles = Array.from({ length: 5_000 }, (_, n) =>
    role(`r${n}`, { StringEqual: { ...ofA.StringEqual, 'jwt:sub': [`s${n}`] } }, { policy: n === 7 ? ['p'] : ['q'] }),
  );
  const snapshot = compile(policy('p', statement('Allow')), policy('q', statement('Deny')), ...roles);
  expect(whoCan(snapshot, question)).toMatchObject([{ name: 'r7', deniedBy: [] }]);
});
