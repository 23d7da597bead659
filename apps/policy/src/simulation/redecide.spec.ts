import {
  compileSnapshot,
  decideExchange,
  type CountersignDocument,
  type ExchangeDecision,
  type RoleSpec,
  type Snapshot,
} from '@countersign/policy-engine';
import fc from 'fast-check';
import type { AskedExchange } from '../recorded/recorded-exchange';
import { DecisionChanges } from './decision-changes';
import { Redecider } from './redecide';

const PUBLIC_URL = 'https://sts.example';
const ISSUERS = [
  { name: 'github', iss: 'https://token.actions.githubusercontent.com', platform: 'github' },
  { name: 'entra', iss: 'https://login.example', platform: 'entra' },
  { name: 'circleci', iss: 'https://circleci.example', platform: 'circleci' },
] as const;
const AUDIENCES = [PUBLIC_URL, 'https://api.example', 'https://other.example'];
const ADDRESSES = ['203.0.113.7', '203.0.113.8', '10.0.0.1', '2001:db8::1'];
const TIMES = ['2026-01-01T00:00:00Z', '2026-06-01T00:00:00Z', '2026-11-01T00:00:00Z'];
const VALUES = ['acme/web', 'acme/api', 'evil/web', 'refs/heads/main', 'pull_request_target', 'a', ''];
const some = <T>(values: readonly T[], most = 2): fc.Arbitrary<T[]> =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: most });
const rarely = <T>(value: fc.Arbitrary<T>, otherwise: T): fc.Arbitrary<T> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(otherwise) }, { weight: 1, arbitrary: value });

const check = fc.oneof(
  fc.record({
    operator: fc.constantFrom('StringEqual', 'StringNotEqual', 'StringEqualIfExists', 'ForAnyValue:StringEqual'),
    key: fc.constantFrom('jwt:repository', 'jwt:ref', 'jwt:groups', 'jwt:event_name', 'jwt:/nested/a', 'ctx:audience'),
    values: some([...VALUES, ...AUDIENCES]),
  }),
  fc.record({
    operator: fc.constantFrom('StringLike', 'StringNotLike'),
    key: fc.constantFrom('jwt:repository', 'jwt:ref', 'jwt:sub'),
    values: some(['acme/*', '*/web', 'refs/*', '?cme/web']),
  }),
  fc.record({
    operator: fc.constant('Null'),
    key: fc.constantFrom('jwt:ref', 'jwt:groups'),
    values: some(['true', 'false'], 1),
  }),
  fc.record({
    operator: fc.constant('Bool'),
    key: fc.constant('jwt:email_verified'),
    values: some(['true', 'false'], 1),
  }),
);
/** They would switch remembering off for most sets of documents. */
const contextCheck = fc.oneof(
  fc.record({
    operator: fc.constantFrom('IpAddress', 'NotIpAddress'),
    key: fc.constant('ctx:sourceIp'),
    values: some(['203.0.113.0/24', '10.0.0.1']),
  }),
  fc.record({
    operator: fc.constantFrom('DateLessThan', 'DateGreaterThan'),
    key: fc.constant('ctx:time'),
    values: some(TIMES, 1),
  }),
);

const role: fc.Arbitrary<RoleSpec> = fc
  .record({
    issuers: some(ISSUERS.map(({ iss }) => iss)),
    checks: fc.array(check, { maxLength: 3 }),
    context: rarely(fc.array(contextCheck, { maxLength: 1 }), []),
    policy: some(['p0', 'p1', 'p2']),
    audience: fc.oneof(fc.constant<string[]>([]), some(AUDIENCES)),
    multipleAudiences: fc.boolean(),
    maxTokenExpiry: fc.constantFrom(null, 600),
    allowedEvents: rarely(some(['pull_request_target', 'ssh-rerun']), []),
    trustedIps: rarely(some(['203.0.113.7', '10.0.0.0/8']), []),
    shadow: rarely(fc.boolean(), false),
    disabled: rarely(fc.boolean(), false),
  })
  .map(({ issuers, checks, context, ...rest }) => {
    const condition: RoleSpec['condition'] = { StringEqual: { 'jwt:iss': issuers } };
    for (const { operator, key, values } of [...checks, ...context]) (condition[operator] ??= {})[key] ??= values;
    return { ...rest, condition, principal: null, maxUses: 0 };
  });

const documents = fc
  .record({
    roles: fc.array(role, { maxLength: 6 }),
    disabled: rarely(fc.constantFrom(...ISSUERS.map(({ name }) => name)), ''),
    renamed: rarely(fc.boolean(), false),
    sids: fc.tuple(...['p0', 'p1', 'p2'].map(() => fc.constantFrom('s', 't'))),
  })
  .map(({ roles, disabled, renamed, sids }): CountersignDocument[] => [
    ...ISSUERS.map(({ name, ...spec }) =>
      issuerDocument(renamed ? `${name}-new` : name, { ...spec, disabled: name === disabled }),
    ),
    ...sids.map((sid, at) => policyDocument(`p${at}`, sid)),
    ...roles.map((spec, at) => ({ kind: 'Role' as const, name: `r${at}`, spec })),
  ]);

function issuerDocument(name: string, spec: object): CountersignDocument {
  return { kind: 'JwtIssuer', name, spec } as CountersignDocument;
}

function policyDocument(name: string, sid: string): CountersignDocument {
  const condition = { StringEqual: { 'jwt:ref': ['refs/heads/main'] } };
  const statement = [
    { sid, effect: 'Allow' as const, action: ['Function:*'], resource: ['dev:*'], condition: null },
    { sid: null, effect: 'Deny' as const, action: ['Function:Delete'], resource: ['*'], condition },
  ];
  return { kind: 'Policy', name, spec: { statement } };
}

const claimValue = fc.oneof(
  fc.constantFrom<unknown>(...VALUES),
  fc.constantFrom<unknown>(1, true, 'true', null, ['a', 'acme/web'], [], { a: 'a' }),
);

const permissions = [{ type: 'countersign_permission' as const, actions: ['Function:Read'], resources: ['dev:x'] }];

const exchange: fc.Arbitrary<AskedExchange> = fc
  .record({
    issuer: fc.constantFrom(...ISSUERS),
    claims: fc.dictionary(
      fc.constantFrom(
        'repository',
        'ref',
        'groups',
        'event_name',
        'nested',
        'hasgroups',
        '_claim_names',
        'email_verified',
        'sub',
      ),
      claimValue,
      { maxKeys: 5 },
    ),
    jti: fc.nat(1_000_000),
    audience: rarely(some(AUDIENCES), []),
    resource: rarely(some(AUDIENCES, 1), []),
    roles: rarely(some(['r0', 'r1']), null),
    policies: rarely(some(['p0', 'p9']), null),
    permissions: rarely(fc.constant(permissions), null),
    sourceIp: fc.constantFrom(null, ...ADDRESSES),
    time: fc.date({ min: new Date('2025-12-01'), max: new Date('2026-12-01'), noInvalidDate: true }),
  })
  .map(({ issuer: { name, iss }, claims, jti, roles, policies, permissions: asked, ...rest }) => ({
    ...{ eventId: `e${jti}`, issuer: name, subject: 's', outcome: 'denied' as const },
    ...rest,
    claims: { iss, sub: 's', ...claims, jti },
    narrowedTo: { roles, policies, permissions: asked },
  }));

/** One by one, and nothing remembered. */
function bruteForce(
  snapshot: Snapshot,
  { claims, issuer, time, narrowedTo, ...exchange }: AskedExchange,
): ExchangeDecision {
  const known = claims ?? {};
  const trusted = [...snapshot.issuers.values()].find(({ iss }) => iss === known['iss']);
  return decideExchange(snapshot, {
    ...{ issuer: trusted?.name ?? issuer ?? '', claims: known, ...narrowedTo, sourceIp: exchange.sourceIp },
    audiences: [...new Set([...exchange.audience, ...exchange.resource])],
    now: Math.floor(time.getTime() / 1000),
  });
}

const grantOf = ({ roles, policies, statements, obligations }: ExchangeDecision): unknown => [
  roles,
  policies,
  statements,
  obligations.audience,
  obligations.maxTokenExpiry,
];

const decisions = ({ before, after }: { before: ExchangeDecision; after: ExchangeDecision }): string =>
  JSON.stringify([before, after]);

const compile = (given: CountersignDocument[]): Snapshot =>
  compileSnapshot({ documents: given, publicUrl: PUBLIC_URL, revision: 1 });

it('POL-33: random sets of documents and claims, 1,600 of them, are decided as they would be one by one', () => {
  const seen = { Allow: 0, Deny: 0, newlyAllowed: 0, newlyDenied: 0, changedGrants: 0, unchanged: 0 };
  const property = fc.property(
    documents,
    documents,
    fc.array(exchange, { minLength: 8, maxLength: 8 }),
    (one, two, all) => {
      const [before, after] = [compile(one), compile(two)];
      const redecider = new Redecider(before, after);
      const changes = new DecisionChanges();
      const wanted = { newlyAllowed: 0, newlyDenied: 0, changedGrants: 0 };
      for (const each of [...all, ...all.map((again) => ({ ...again, claims: { ...again.claims, jti: 'other' } }))]) {
        const [then, now] = [bruteForce(before, each), bruteForce(after, each)];
        const redecision = redecider.decide(each);
        // Much faster than `toEqual`, which is for showing what differs.
        const [actual, expected] = [redecision, { before: then, after: now }].map(decisions);
        if (actual !== expected) expect(redecision).toMatchObject({ before: then, after: now });
        expect(actual === expected).toBe(true);
        changes.add(each, redecision);
        if (then.effect !== now.effect) wanted[now.effect === 'Allow' ? 'newlyAllowed' : 'newlyDenied'] += 1;
        else if (now.effect === 'Allow' && JSON.stringify(grantOf(then)) !== JSON.stringify(grantOf(now)))
          wanted.changedGrants += 1;
        seen[now.effect] += 1;
      }
      const { evaluated, unchanged, ...groups } = changes.answer();
      expect({ evaluated, unchanged: unchanged.count }).toEqual({
        evaluated: 16,
        unchanged: 16 - wanted.newlyAllowed - wanted.newlyDenied,
      });
      for (const kind of ['newlyAllowed', 'newlyDenied', 'changedGrants'] as const) {
        expect(groups[kind].count).toBe(wanted[kind]);
        seen[kind] += wanted[kind];
      }
      seen.unchanged += unchanged.count;
    },
  );
  fc.assert(property, { numRuns: 200, seed: 33 });
  // None of it says much unless everything happens.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(30);
});
