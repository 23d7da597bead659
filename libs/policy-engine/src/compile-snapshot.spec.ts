import { compileSnapshot } from './compile-snapshot';
import { decideExchange } from './decide-exchange';
import type { CountersignDocument } from './documents';
import { evaluatePermission } from './evaluate-permission';
import { roleSpec } from './documents.fixture';

const iss = 'https://keycloak.example.com/realms/acme';
const publicUrl = 'https://sts.example.com';
const allow = { sid: 'ok', effect: 'Allow', action: ['*'], resource: ['*'], condition: null };
const goodRole = roleSpec({ policy: ['good'], condition: { StringEqual: { 'jwt:iss': [iss] } } });

const stored = (kind: string, name: unknown, spec: unknown) => ({ kind, name, spec }) as CountersignDocument;
const good = [
  stored('JwtIssuer', 'keycloak', { iss, platform: 'keycloak', disabled: false }),
  stored('Policy', 'good', { statement: [allow] }),
  stored('Role', 'good', goodRole),
];
const compile = (...more: unknown[]) =>
  compileSnapshot({ documents: [...good, ...more] as CountersignDocument[], publicUrl, revision: 3 });
const exchange = (snapshot: ReturnType<typeof compile>) =>
  decideExchange(snapshot, {
    issuer: 'keycloak',
    claims: { iss, sub: 'x' },
    audiences: [],
    roles: null,
    policies: null,
    sourceIp: null,
    now: 0,
  });
const permission = (snapshot: ReturnType<typeof compile>, policies: string[], more: object = {}) =>
  evaluatePermission(snapshot, {
    policies,
    claims: {},
    subject: { type: 'access_token', id: 'x', properties: {} },
    action: { name: 'A:B', properties: {} },
    resource: 'ns:x',
    resourceProperties: {},
    context: {},
    sourceIp: null,
    now: 0,
    ...more,
  });

describe('a bad stored document is left out and reported, and the others work', () => {
  test.each<[string, unknown, string]>([
    ['null', null, ''],
    ['a document without name', stored('Role', undefined, goodRole), ''],
    ['a role without spec', stored('Role', 'bad', null), 'bad'],
    ['a role whose policies are text', stored('Role', 'bad', { ...goodRole, policy: 'good' }), 'bad'],
    [
      'a role with an unknown operator',
      stored('Role', 'bad', withCondition({ StringLikes: { 'jwt:sub': ['a'] } })),
      'bad',
    ],
    ['a role with an empty operator', stored('Role', 'bad', withCondition({ StringLike: {} })), 'bad'],
    ['a role with no values', stored('Role', 'bad', withCondition({ StringLike: { 'jwt:sub': [] } })), 'bad'],
    ['a role with an empty value', stored('Role', 'bad', withCondition({ StringLike: { 'jwt:sub': [''] } })), 'bad'],
    [
      'a role with a pattern for everything',
      stored('Role', 'bad', withCondition({ StringLike: { 'jwt:sub': ['*'] } })),
      'bad',
    ],
    [
      'a role with a value that is null',
      stored('Role', 'bad', withCondition({ StringLike: { 'jwt:sub': [null] } })),
      'bad',
    ],
    [
      'a role that pins no issuer',
      stored('Role', 'bad', { ...goodRole, condition: { StringEqual: { 'jwt:sub': ['x'] } } }),
      'bad',
    ],
    ['a role with a bad address range', stored('Role', 'bad', { ...goodRole, trustedIps: ['10.0.0.0/99'] }), 'bad'],
    ['a role with a missing policy', stored('Role', 'bad', { ...goodRole, policy: ['good', 'nope'] }), 'bad'],
    ['an issuer without spec', stored('JwtIssuer', 'bad', null), 'bad'],
    [
      'a second issuer with the same iss',
      stored('JwtIssuer', 'bad', { iss, platform: 'generic', disabled: false }),
      'bad',
    ],
    ['a policy without statements', stored('Policy', 'bad', {}), 'bad'],
    ['a second role of the same name', stored('Role', 'good', { ...goodRole, policy: [] }), 'good'],
  ])('%s', (_, document, name) => {
    const snapshot = compile(document);
    expect(snapshot.errors.map((error) => error.name)).toEqual([name]);
    expect(exchange(snapshot)).toMatchObject({ effect: 'Allow', roles: ['good'], policies: ['good'], revision: 3 });
    expect(permission(snapshot, ['good']).effect).toBe('Allow');
  });
});

describe('what is broken in a policy denies, and never allows', () => {
  const alsoDeny = (more: object) => ({ statement: [allow, { ...allow, effect: 'Deny', ...more }] });
  /** The decision with this policy alone, and beside one that allows everything. */
  type Effects = ['Allow' | 'Deny', 'Allow' | 'Deny'];
  test.each<[string, unknown, Effects]>([
    ['no list of statements', {}, ['Deny', 'Deny']],
    ['a statement that is null', { statement: [allow, null] }, ['Deny', 'Deny']],
    ['effect allow', alsoDeny({ effect: 'allow' }), ['Deny', 'Deny']],
    ['effect "Deny "', alsoDeny({ effect: 'Deny ' }), ['Deny', 'Deny']],
    ['no effect', alsoDeny({ effect: undefined }), ['Deny', 'Deny']],
    ['a deny with an unknown operator', alsoDeny({ condition: { No: {} } }), ['Deny', 'Deny']],
    ['a deny without resources', alsoDeny({ resource: [] }), ['Deny', 'Deny']],
    ['a deny with an open template', alsoDeny({ resource: ['${jwt:x'] }), ['Deny', 'Deny']],
    ['a broken deny for another action', alsoDeny({ action: ['C:D'], condition: 5 }), ['Allow', 'Allow']],
    ['an allow with an unknown operator', { statement: [{ ...allow, condition: { No: {} } }] }, ['Deny', 'Allow']],
    ['an allow without actions', { statement: [{ ...allow, action: [] }] }, ['Deny', 'Allow']],
    ['a broken allow beside a good one', { statement: [{ ...allow, action: [1] }, allow] }, ['Allow', 'Allow']],
  ])('%s', (_, spec, effects) => {
    const snapshot = compile(stored('Policy', 'bad', spec));
    expect(snapshot.errors).not.toEqual([]);
    const both = permission(snapshot, ['bad', 'good']);
    expect([permission(snapshot, ['bad']).effect, both.effect]).toEqual(effects);
    expect(both.errors.map(({ name }) => name)).toContain('bad');
  });
});

test('a policy that is gone grants nothing and is reported', () => {
  const decision = permission(compile(), ['gone']);
  expect(decision).toMatchObject({
    effect: 'Deny',
    determining: [],
    errors: [{ code: 'missing_policy', name: 'gone' }],
  });
});

describe("a role's addresses limit the use of its tokens where the address is known", () => {
  const snapshot = compile(
    stored('Policy', 'inner', { statement: [allow] }),
    stored('Role', 'inner', { ...goodRole, policy: ['inner'], trustedIps: ['10.0.0.0/8'] }),
  );
  test.each<[string, string[], string | null, 'Allow' | 'Deny']>([
    ['from a trusted address', ['inner'], '10.0.0.1', 'Allow'],
    ['from another address', ['inner'], '192.0.2.1', 'Deny'],
    ['from an address that is none', ['inner'], 'localhost', 'Deny'],
    ['without an address', ['inner'], null, 'Allow'],
    ['through a role without addresses', ['inner', 'good'], '192.0.2.1', 'Allow'],
  ])('%s', (_, names, sourceIp, effect) => {
    expect(permission(snapshot, names, { roles: names, sourceIp }).effect).toBe(effect);
  });
});

test('changing the documents afterwards changes no decision', () => {
  const spec = { ...goodRole, policy: ['good'], condition: { StringEqual: { 'jwt:iss': [iss], 'jwt:sub': ['x'] } } };
  const documents = [...good.slice(0, 2), stored('Role', 'r', spec)];
  const snapshot = compileSnapshot({ documents, publicUrl, revision: 1 });
  spec.condition.StringEqual['jwt:sub'].push('y');
  spec.policy.length = 0;
  documents.length = 0;
  expect(exchange(snapshot)).toMatchObject({ effect: 'Allow', policies: ['good'] });
});

function withCondition(more: object) {
  return { ...goodRole, condition: { ...goodRole.condition, ...more } };
}
