import type { CountersignDocument } from '@countersign/policy-engine';
import { parseDocument } from './documents-judged.fixture';
import { crossCheck } from './documents-cross-check';

type Condition = Record<string, Record<string, unknown>>;

const iss = 'https://ci.test';
const other = 'https://other.test';

function parsed(kind: string, name: string, spec: object): CountersignDocument {
  const result = parseDocument({ apiVersion: 'countersign.dev/v1', kind, metadata: { name }, spec });
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.document;
}

const statement = [{ effect: 'Allow', action: 'A:B', resource: '*' }];
const issuer = (pins: unknown, of = iss) => parsed('JwtIssuer', of.slice(8), { iss: of, aud: 'https://gw.test', pins });

/** Codes and pointers of what is wrong with a role of an issuer that pins these claims. */
function errorsOf(pins: unknown, condition: Condition, more: object = {}): string[] {
  const pinned = { ...condition, StringEqual: { 'jwt:iss': iss, ...condition['StringEqual'] } };
  const role = parsed('Role', 'r', { policy: 'p', condition: pinned, ...more });
  const found = crossCheck([issuer(pins), parsed('Policy', 'p', { statement }), role]);
  return found.map(({ code, path }) => `${code} ${path}`);
}

describe('a pinned claim is constrained by what only the tenant can bring', () => {
  test.each<[string, unknown, Condition, object?]>([
    ['listed values', 'org', { StringEqual: { 'jwt:org': ['a', 'b'] } }],
    ['listed values, any case', 'org', { StringEqualIgnoreCase: { 'jwt:org': 'a' } }],
    ['a pattern that begins with text', 'org', { StringLike: { 'jwt:org': ['acme/*', 'acme-*/x'] } }],
    ['a number', 'id', { NumericEqual: { 'jwt:id': 5 } }],
    ['one boolean', 'mine', { Bool: { 'jwt:mine': true } }],
    ['an element of a list', 'groups', { 'ForAnyValue:StringEqual': { 'jwt:groups': 'ops' } }],
    ['every element of a list', 'groups', { 'ForAllValues:StringLike': { 'jwt:groups': 'acme:*' } }],
    ['the principal, for sub', 'sub', {}, { principal: { 'jwt:sub': 'a' } }],
    ['a repository', ['repository', 'repository_owner'], {}, { principal: ['github:acme/web', 'github:acme/api'] }],
    ['a repository with ids', ['repository_id', 'repository_owner_id'], {}, { principal: 'github:acme@9/web@123' }],
    ['a project', ['project_path', 'namespace_path'], {}, { principal: 'gitlab:acme/web' }],
    ['the branch of every repository', 'ref', {}, { principal: ['github:acme/web@main', 'github:acme/api@main'] }],
    ['a nested claim', '/kubernetes.io/namespace', { StringEqual: { 'jwt:/kubernetes.io/namespace': 'ci' } }],
    ['the pointer of a plain claim', 'org', { StringEqual: { 'jwt:/org': 'a' } }],
    ['the plain name of a pointer', '/org', { StringEqual: { 'jwt:org': 'a' } }],
    ['a name with slashes, escaped', 'a/b', { StringEqual: { 'jwt:/a~1b': 'x' } }],
    ['two pins, both', ['org', 'jwt:ref'], { StringEqual: { 'jwt:org': 'a', 'jwt:ref': 'main' } }],
    ['one good check beside an open one', 'org', { StringEqual: { 'jwt:org': 'a' }, StringLike: { 'jwt:org': '*a' } }],
  ])('%s', (...[, pins, condition, more]) => {
    expect(errorsOf(pins, condition, more)).toEqual([]);
  });
});

describe('a pinned claim is left open by', () => {
  test.each<[string, string, Condition, object?]>([
    ['nothing at all', 'org', {}],
    ['another claim', 'org', { StringEqual: { 'jwt:organisation': 'a' } }],
    ['the same name in another case', 'org', { StringEqual: { 'jwt:Org': 'a' } }],
    ['a part of it', 'kubernetes.io', { StringEqual: { 'jwt:/kubernetes.io/namespace': 'ci' } }],
    ['a name with dots for a nested claim', '/a/b', { StringEqual: { 'jwt:a.b': 'x' } }],
    ['a negative operator', 'org', { StringNotEqual: { 'jwt:org': 'evil' } }],
    ['a negative pattern', 'org', { StringNotLike: { 'jwt:org': 'evil/*' } }],
    ['a check that a missing claim passes', 'org', { StringEqualIfExists: { 'jwt:org': 'a' } }],
    ['a check that it exists', 'org', { Null: { 'jwt:org': false } }],
    ['a pattern that begins with a wildcard', 'org', { StringLike: { 'jwt:org': '*/web' } }],
    ['one such pattern among others', 'org', { StringLike: { 'jwt:org': ['acme/*', '?cme/*'] } }],
    ['a pattern with nothing but the head of sub', 'sub', { StringLike: { 'jwt:sub': 'repo:*' } }],
    ['a range of numbers', 'id', { NumericGreaterThan: { 'jwt:id': 0 } }],
    ['a range on both sides', 'id', { NumericGreaterThan: { 'jwt:id': 0 }, NumericLessThan: { 'jwt:id': 9 } }],
    ['both booleans', 'mine', { Bool: { 'jwt:mine': ['true', 'false'] } }],
    ['a date', 'since', { DateGreaterThan: { 'jwt:since': '2020-01-01T00:00:00Z' } }],
    ['an address', 'ip', { IpAddress: { 'jwt:ip': '0.0.0.0/0' } }],
    ['a property of the subject by the same name', 'org', { StringEqual: { 'subject:org': 'a' } }],
    ['the principal, for another claim than sub', 'org', {}, { principal: { 'jwt:sub': 'a' } }],
    ['a repository without ids', 'repository_id', {}, { principal: 'github:acme/web' }],
    ['one repository among others', 'ref', {}, { principal: ['github:acme/web@main', 'github:acme/api'] }],
    ['a role that is disabled now', 'org', {}, { disabled: true }],
    ['a role that only watches', 'org', {}, { shadow: true }],
  ])('%s', (...[, pins, condition, more]) => {
    expect(errorsOf(pins, condition, more)).toEqual(['pin_missing /spec/condition']);
  });

  test('a role for several issuers keeps the pins of each', () => {
    const role = (condition: object) =>
      parsed('Role', 'r', { policy: 'p', condition: { StringEqual: { 'jwt:iss': [iss, other], ...condition } } });
    const rest = [issuer('org'), issuer('team', other), parsed('Policy', 'p', { statement })];
    expect(crossCheck([...rest, role({ 'jwt:org': 'a' })])).toMatchObject([{ code: 'pin_missing' }]);
    expect(crossCheck([...rest, role({ 'jwt:org': 'a', 'jwt:team': 'b' })])).toEqual([]);
  });
});
