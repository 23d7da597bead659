import { parseDocument, parsePolicyTest } from './documents-judged.fixture';

type Json = Record<string, unknown>;

const claims = { iss: 'https://ci.example.com', sub: 'x', nested: { a: 1, b: [2] } };
const granted = { name: 'c', expect: { outcome: 'granted' } };

const document = (spec: Json): Json => ({
  apiVersion: 'countersign.dev/v1',
  kind: 'PolicyTest',
  metadata: { name: 't' },
  spec,
});
const withCase = (more: Json, shared: Json = {}): Json =>
  document({ claims, ...shared, cases: [{ ...granted, ...more }] });

const firstCase = (raw: Json) => {
  const result = parsePolicyTest(raw);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.test.cases[0];
};

test('a case stands by itself: what it does not say, the test says for all', () => {
  const shared = { issuer: 'github', audience: 'a', sourceIp: '192.0.2.1', mayDiffer: ['jwt:ref'] };
  const more = { audience: ['b', 'c'], scope: 'role:deploy policy:p', time: '2026-01-01T00:00:00Z' };
  const request = { action: 'Function:Read', resource: 'dev:x' };
  const expect_ = { outcome: 'granted', roles: ['b', 'a'], decision: true };
  expect(firstCase(withCase({ ...more, ...request, expect: expect_ }, shared))).toEqual({
    name: 'c',
    issuer: 'github',
    claims,
    audiences: ['b', 'c'],
    roles: ['deploy'],
    policies: ['p'],
    sourceIp: '192.0.2.1',
    time: 1_767_225_600,
    permission: request,
    expect: { outcome: 'granted', roles: ['a', 'b'], policies: null, reason: null, decision: true },
    mayDiffer: ['ref'],
  });
});

test.each<[string, Json, Json]>([
  ['changes a claim', { sub: 'y' }, { ...claims, sub: 'y' }],
  ['adds a claim', { ref: 'main' }, { ...claims, ref: 'main' }],
  ['takes a claim away', { sub: null }, { iss: claims.iss, nested: claims.nested }],
  ['reaches into a claim', { '/nested/a': 5 }, { ...claims, nested: { a: 5, b: [2] } }],
  ['takes away a nested claim', { '/nested/b': null }, { ...claims, nested: { a: 1 } }],
  ['makes a nested claim', { '/k8s.io/ns': 'x' }, { ...claims, 'k8s.io': { ns: 'x' } }],
  ['takes the spelling of conditions', { 'jwt:sub': 'z' }, { ...claims, sub: 'z' }],
  ['replaces an object', { nested: [] }, { ...claims, nested: [] }],
])('a change %s', (_, change, expected) => {
  expect(firstCase(withCase({ change }))?.claims).toEqual(expected);
});

test.each<[string, Json, string, string]>([
  ['no claims at all', document({ cases: [granted] }), '/spec/cases/0/claims', 'required'],
  [
    'a file of claims, which the command should have read',
    withCase({ claimsFile: 'x' }),
    '/spec/cases/0/claimsFile',
    'claims_file',
  ],
  ['no case', document({ claims, cases: [] }), '/spec/cases', 'empty_list'],
  ['two cases of one name', document({ claims, cases: [granted, granted] }), '/spec/cases/1/name', 'duplicate_case'],
  ['no expectation', document({ claims, cases: [{ name: 'c' }] }), '/spec/cases/0/expect', 'required'],
  ['another outcome', withCase({ expect: { outcome: 'allowed' } }), '/spec/cases/0/expect/outcome', 'invalid_value'],
  [
    'a reason where it is granted',
    withCase({ expect: { outcome: 'granted', reason: 'no_matching_role' } }),
    '/spec/cases/0/expect/reason',
    'contradiction',
  ],
  [
    'roles where it is denied',
    withCase({ expect: { outcome: 'denied', roles: ['x'] } }),
    '/spec/cases/0/expect/roles',
    'contradiction',
  ],
  [
    'a reason that does not exist',
    withCase({ expect: { outcome: 'denied', reason: 'nope' } }),
    '/spec/cases/0/expect/reason',
    'invalid_value',
  ],
  ['an action without resource', withCase({ action: 'A:B' }), '/spec/cases/0/resource', 'required'],
  [
    'a decision about nothing',
    withCase({ expect: { outcome: 'granted', decision: true } }),
    '/spec/cases/0/action',
    'required',
  ],
  ['a scope of another kind', withCase({ scope: 'openid' }), '/spec/cases/0/scope', 'invalid_scope'],
  ['a time without a zone', withCase({ time: '2026-01-01T00:00:00' }), '/spec/cases/0/time', 'invalid_value'],
  ['no address', withCase({ sourceIp: 'here' }), '/spec/cases/0/sourceIp', 'invalid_value'],
  ['an unknown field', withCase({ audiences: [] }), '/spec/cases/0/audiences', 'unknown_field'],
  ['an unknown field of the test', document({ claims, case: [], cases: [granted] }), '/spec/case', 'unknown_field'],
  ['the older version', { ...withCase({}), apiVersion: 'openfaas.com/v1' }, '/apiVersion', 'invalid_value'],
  [
    'a claim that JavaScript treats specially',
    JSON.parse('{"kind":"PolicyTest","__proto__":{}}') as Json,
    '/__proto__',
    'unknown_field',
  ],
])('%s is refused with its place', (_, raw, path, code) => {
  const result = parsePolicyTest(raw);
  expect(result.ok ? [] : result.errors.map((error) => [error.path, error.code])).toContainEqual([path, code]);
});

test('a PolicyTest is none of the documents that are stored', () => {
  expect(parseDocument(withCase({}))).toMatchObject({ ok: false, errors: [{ path: '/kind' }] });
});
