import { preparsePolicySet, statefulIsAuthorized, type CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { compileSnapshot } from './compile-snapshot';
import { decideExchange } from './decide-exchange';
import type { PermissionRequest } from './decisions';
import type { Condition, CountersignDocument, Statement } from './documents';
import { evaluatePermission } from './evaluate-permission';
import { openPolicy as policy, roleSpec } from './documents.fixture';

// fast-check prints seed and path of what fails; both go here to see it again.
const settings = { seed: 20_261_121, numRuns: 100 };
const REQUESTS = 15;

/** Claims have one type each and may be absent; what Cedar calls a type error is not of the common subset. */
const textClaims = ['sub', 'ref', 'a b', 'https://x.test/"team"'];
const texts = ['a', 'ab', 'b', 'a:b', 'acme/web', 'acme/web-evil', 'refs/heads/main', 'A', 'a"b\\c', 'é😀', ''];
const patterns = ['a*', '*b', 'acme/*', 'acme/web*', '*/web', 'refs/*/main', '*:*', 'ab', '*"b\\*', 'é*'];
const addresses = ['10.0.0.1', '10.1.2.3', '192.0.2.7', '2001:db8::1', '::1'];
const ranges = ['10.0.0.0/8', '10.0.0.1', '192.0.2.0/24', '0.0.0.0/0', '2001:db8::/32', '::/0'];
const actions = ['Function:Create', 'Function:Delete', 'FunctionAdmin:Read', 'Secret:Read'];
const actionPatterns = ['*', 'Function:*', '*:Read', 'Function:Create', 'Secret:R*d'];
const resources = ['dev:web', 'dev:', 'prod:web', 'staging-evil:x', 'web'];
const resourcePatterns = ['*', 'dev:*', '*:web', 'prod:web', 'staging*:*'];

interface Test {
  operator: string;
  key: string;
  values: string[];
}

const some = <T>(items: readonly T[]) => fc.uniqueArray(fc.constantFrom(...items), { minLength: 1, maxLength: 3 });
const numbers = fc.uniqueArray(fc.integer({ min: -3, max: 3 }).map(String), { minLength: 1, maxLength: 2 });

const ops = (names: string[], keys: string[], values: fc.Arbitrary<string[]>): fc.Arbitrary<Test> =>
  fc.record({
    operator: fc.tuple(fc.constantFrom(...names), fc.constantFrom('', '', 'IfExists')).map((parts) => parts.join('')),
    key: fc.constantFrom(...keys),
    values,
  });
const withoutSuffix = (names: string[], keys: string[], values: fc.Arbitrary<string[]>): fc.Arbitrary<Test> =>
  fc.record({ operator: fc.constantFrom(...names), key: fc.constantFrom(...keys), values });

const claims = textClaims.map((name) => `jwt:${name}`);
const nonEmpty = texts.filter((text) => text !== '');
const anyTest: fc.Arbitrary<Test> = fc.oneof(
  ops(['StringEqual', 'StringNotEqual'], claims, some(nonEmpty)),
  ops(['StringLike', 'StringNotLike'], claims, some(patterns)),
  ops(
    [
      'NumericEqual',
      'NumericNotEqual',
      'NumericLessThan',
      'NumericLessThanEqual',
      'NumericGreaterThan',
      'NumericGreaterThanEqual',
    ],
    ['jwt:attempt', 'context:size'],
    numbers,
  ),
  ops(['Bool'], ['jwt:protected', 'resource:locked'], some(['true', 'false'])),
  ops(['IpAddress', 'NotIpAddress'], ['ctx:sourceIp'], some(ranges)),
  withoutSuffix(
    ['DateLessThan', 'DateGreaterThan'],
    ['ctx:time'],
    numbers.map((list) => list.map((n) => String(1_000 + Number(n)))),
  ),
  withoutSuffix(
    ['ForAnyValue:StringEqual', 'ForAllValues:StringEqual', 'ForAnyValue:StringLike'],
    ['jwt:teams'],
    some(nonEmpty),
  ),
  withoutSuffix(['Null'], [...claims, 'jwt:teams'], some(['true', 'false'])),
);

const statement = fc.record({
  effect: fc.constantFrom<Statement['effect']>('Allow', 'Allow', 'Allow', 'Deny'),
  action: some(actionPatterns),
  resource: some(resourcePatterns),
  tests: fc.uniqueArray(anyTest, { maxLength: 3, selector: ({ operator, key }) => `${operator} ${key}` }),
});

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const request = fc.record({
  action: fc.constantFrom(...actions),
  resource: fc.constantFrom(...resources),
  claims: fc.record({
    ...Object.fromEntries(textClaims.map((name) => [name, optional(fc.constantFrom(...texts))])),
    attempt: optional(fc.integer({ min: -3, max: 3 })),
    protected: optional(fc.boolean()),
    teams: optional(fc.uniqueArray(fc.constantFrom(...texts), { maxLength: 3 })),
  }),
  size: optional(fc.integer({ min: -3, max: 3 })),
  locked: optional(fc.boolean()),
  sourceIp: fc.option(fc.constantFrom(...addresses)),
  now: fc.integer({ min: 997, max: 1_003 }),
});
type Generated = typeof request extends fc.Arbitrary<infer T> ? T : never;

const conditionOf = (tests: readonly Test[]): Condition => {
  const condition: Condition = {};
  for (const { operator, key, values } of tests) condition[operator] = { ...condition[operator], [key]: values };
  return condition;
};

// The same in Cedar. Everything stands in the context; what is absent there is absent for us.

const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
const list = (values: readonly string[]): string => `[${values.map(quoted).join(', ')}]`;
const any = (parts: readonly string[]): string => `(${parts.join(' || ')})`;

const comparisons: Record<string, (at: string, value: string) => string> = {
  StringEqual: (at, value) => `${at} == ${quoted(value)}`,
  StringLike: (at, value) => `(${at} like ${quoted(value)} && ${at} != "")`,
  NumericEqual: (at, value) => `${at} == ${value}`,
  NumericLessThan: (at, value) => `${at} < ${value}`,
  NumericLessThanEqual: (at, value) => `${at} <= ${value}`,
  NumericGreaterThan: (at, value) => `${at} > ${value}`,
  NumericGreaterThanEqual: (at, value) => `${at} >= ${value}`,
  Bool: (at, value) => `${at} == ${value}`,
  IpAddress: (at, value) => `${at}.isInRange(ip(${quoted(value)}))`,
  DateLessThan: (at, value) => `${at} < ${value}`,
  DateGreaterThan: (at, value) => `${at} > ${value}`,
};
const opposites: Record<string, string> = {
  StringNotEqual: 'StringEqual',
  StringNotLike: 'StringLike',
  NumericNotEqual: 'NumericEqual',
  NotIpAddress: 'IpAddress',
};

/** Three-valued: what is absent satisfies no Allow, and of a Deny only what is negative. */
function inCedar({ operator, key, values }: Test, effect: Statement['effect']): string {
  const [source, name] = [key.slice(0, key.indexOf(':')), key.slice(key.indexOf(':') + 1)];
  const [has, at] = [`context.${source} has ${quoted(name)}`, `context.${source}[${quoted(name)}]`];
  if (operator === 'Null') return any(values.map((value) => (value === 'true' ? `!(${has})` : has)));
  if (operator.startsWith('For')) return `(${has} && ${quantified(operator, at, values)})`;
  const ifExists = operator.endsWith('IfExists');
  const bare = operator.replace('IfExists', '');
  const positive = opposites[bare] ?? bare;
  const holds = any(values.map((value) => comparisons[positive]?.(at, value) ?? 'missing translation'));
  const result = positive === bare ? holds : `!${holds}`;
  return ifExists || (effect === 'Deny' && positive !== bare) ? `(!(${has}) || ${result})` : `(${has} && ${result})`;
}

function quantified(operator: string, at: string, values: readonly string[]): string {
  if (operator === 'ForAllValues:StringEqual') return `!${at}.isEmpty() && ${list(values)}.containsAll(${at})`;
  // Without wildcards both say the same; Cedar's like is not for sets.
  return `${at}.containsAny(${list(values)})`;
}

const anyLike = (at: string, written: readonly string[]): string =>
  any(written.map((text) => `${at} like ${quoted(text)}`));

function cedarPolicy({
  effect,
  action,
  resource,
  tests,
}: typeof statement extends fc.Arbitrary<infer T> ? T : never): string {
  const parts = [
    anyLike('context.action', action),
    anyLike('context.on', resource),
    ...tests.map((item) => inCedar(item, effect)),
  ];
  return `${effect === 'Allow' ? 'permit' : 'forbid'}(principal, action, resource) when { ${parts.join(' && ')} };`;
}

const withoutAbsent = (record: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));

function askCedar({ action, resource, claims: jwt, size, locked, sourceIp, now }: Generated): string[] {
  const ip = sourceIp === null ? {} : { sourceIp: { __extn: { fn: 'ip', arg: sourceIp } } };
  const context = {
    action,
    on: resource,
    jwt: withoutAbsent(jwt),
    ctx: { time: now, ...ip },
    context: withoutAbsent({ size }),
    resource: withoutAbsent({ locked }),
  } as unknown as Record<string, CedarValueJson>;
  const nobody = { type: 'Nobody', id: 'x' };
  const answer = statefulIsAuthorized({
    principal: nobody,
    action: { type: 'Action', id: 'x' },
    resource: nobody,
    context,
    preparsedPolicySetId: 'cedar.property',
    entities: [],
  });
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
  agree(answer.response.diagnostics.errors, []);
  return [answer.response.decision, ...answer.response.diagnostics.reason.sort()];
}

/** `expect` is too slow for thousands of comparisons. */
function agree(ours: unknown, theirs: unknown): void {
  const [left, right] = [JSON.stringify(ours), JSON.stringify(theirs)];
  if (left !== right) throw new Error(`we say ${left}, Cedar says ${right}`);
}

function prepare(policies: readonly string[]): void {
  const staticPolicies = Object.fromEntries(policies.map((text, index) => [`s${index}`, text]));
  const answer = preparsePolicySet('cedar.property', { staticPolicies, templates: {}, templateLinks: [] });
  if (answer.type === 'failure') throw new Error(`${JSON.stringify(answer.errors)} ${policies.join('\n')}`);
}

const permissionRequest = ({ claims: jwt, size, locked, action, resource, ...rest }: Generated): PermissionRequest => ({
  ...rest,
  policies: ['p'],
  claims: withoutAbsent(jwt),
  subject: { type: 'user', id: 'x', properties: {} },
  action: { name: action, properties: {} },
  resource,
  resourceProperties: withoutAbsent({ locked }),
  context: withoutAbsent({ size }),
});

describe('on what Cedar and we can both say, both decide the same', () => {
  test('permissions, and the statements that determine them', () => {
    const outcomes = { allow: 0, deny: 0, denied: 0 };
    fc.assert(
      fc.property(
        fc.array(statement, { minLength: 1, maxLength: 5 }),
        fc.array(request, { minLength: REQUESTS, maxLength: REQUESTS }),
        (written, requests) => {
          prepare(written.map(cedarPolicy));
          const statements = written.map(({ tests, ...rest }, index) => ({
            ...rest,
            sid: `s${index}`,
            condition: conditionOf(tests),
          }));
          const documents: CountersignDocument[] = [{ kind: 'Policy', name: 'p', spec: { statement: statements } }];
          const snapshot = compileSnapshot({ documents, publicUrl: 'https://sts.test', revision: 1 });
          expect(snapshot.errors).toEqual([]);
          for (const item of requests) {
            const { effect, determining } = evaluatePermission(snapshot, permissionRequest(item));
            const ours = [effect.toLowerCase(), ...determining.map(({ sid }) => sid ?? '').sort()];
            agree(ours, askCedar(item));
            outcomes[effect === 'Allow' ? 'allow' : determining.length > 0 ? 'denied' : 'deny'] += 1;
          }
        },
      ),
      settings,
    );
    // Agreement about nothing would prove nothing.
    expect(Math.min(...Object.values(outcomes))).toBeGreaterThan(100);
  });

  test('the roles that let an identity in', () => {
    const iss = 'https://ci.example.com';
    let granted = 0;
    const aboutTokens = anyTest.filter(({ key }) => key.startsWith('jwt:') || key.startsWith('ctx:'));
    const conditions = fc.array(
      fc.uniqueArray(aboutTokens, {
        minLength: 1,
        maxLength: 3,
        selector: ({ operator, key }) => `${operator} ${key}`,
      }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(conditions, fc.array(request, { minLength: REQUESTS, maxLength: REQUESTS }), (written, requests) => {
        prepare(
          written.map(
            (tests) =>
              `permit(principal, action, resource) when { ${tests.map((item) => inCedar(item, 'Allow')).join(' && ')} };`,
          ),
        );
        const roles = written.map((tests, index) =>
          roleOf(`s${index}`, [{ operator: 'StringEqual', key: 'jwt:iss', values: [iss] }, ...tests]),
        );
        const documents = [issuerOf(iss), policy, ...roles];
        const snapshot = compileSnapshot({ documents, publicUrl: 'https://sts.test', revision: 1 });
        expect(snapshot.errors).toEqual([]);
        for (const item of requests) {
          const { claims: jwt, sourceIp, now } = item;
          const decision = decideExchange(snapshot, {
            issuer: 'ci',
            claims: { ...withoutAbsent(jwt), iss },
            audiences: [],
            roles: null,
            policies: null,
            sourceIp,
            now,
          });
          granted += decision.roles.length;
          agree([decision.effect.toLowerCase(), ...decision.roles], askCedar(item));
        }
      }),
      settings,
    );
    expect(granted).toBeGreaterThan(100);
  });
});

const issuerOf = (iss: string): CountersignDocument =>
  ({ kind: 'JwtIssuer', name: 'ci', spec: { iss, platform: 'generic', disabled: false } }) as CountersignDocument;

const roleOf = (name: string, tests: readonly Test[]): CountersignDocument => ({
  kind: 'Role',
  name,
  spec: roleSpec({ condition: conditionOf(tests) }),
});
