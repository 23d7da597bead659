import fc from 'fast-check';
import { compilePattern, matchPattern } from '../patterns';
import type { Condition, CountersignDocument, JwtIssuerDocument, RoleDocument, RoleSpec } from '../documents';
import { platforms } from '../documents';
import { GITHUB as github, roleSpec } from '../documents.fixture';
import { lintDocuments } from './lint-documents';
import type { LintFinding } from './lint-findings';
import { coversPattern } from './pattern-cover';

const role = (name: string, condition: Condition, more: Partial<RoleSpec> = {}): RoleDocument => ({
  kind: 'Role',
  name,
  spec: roleSpec({
    condition: { ...condition, StringEqual: { 'jwt:iss': [github], ...condition['StringEqual'] } },
    ...more,
  }),
});
const open = { StringLike: { 'jwt:sub': ['repo:*'] } };
const lint = (documents: CountersignDocument[], only?: CountersignDocument): LintFinding[] =>
  lintDocuments(documents, { adminActions: [], ...(only && { only: new Set([only]) }) });
const rulesOf = (...documents: CountersignDocument[]): string[] =>
  lint(documents).map(({ rule, resource }) => `${resource.name} ${rule}`);

const issuer = (iss: string, platform: (typeof platforms)[number]): JwtIssuerDocument => ({
  kind: 'JwtIssuer',
  name: 'issuer',
  spec: {
    ...{ iss, platform, aud: ['a'], tokenExpiry: 900, issInternal: null, jwksUri: null, jwks: null },
    ...{
      caCertificate: null,
      algorithms: ['RS256'],
      clockSkew: 60,
      maxTokenAge: 86_400,
      singleUse: true,
      typ: ['JWT'],
    },
    ...{ allowMissingKid: false, strictAudience: false, carry: [], pins: [], boundToSubjectExpiry: false },
    disabled: false,
  },
});

test('findings come in the order of the documents, the gravest of each first', () => {
  const documents = [role('b', open), role('a', open)];
  expect(lint(documents).map(({ resource, severity }) => `${resource.name} ${severity}`)).toEqual([
    ...['b error', 'b warning', 'b info', 'a error', 'a warning', 'a info'],
  ]);
});

test('only the documents that are asked for are spoken of, and seen with the others', () => {
  const [asked, other] = [role('web-1', open), role('web-l', open)];
  const findings = lint([asked, other], asked);
  expect([...new Set(findings.map(({ resource }) => resource.name))]).toEqual(['web-1']);
  expect(findings.map(({ rule }) => rule)).toContain('CS040');
});

test('what is disabled is silent', () => {
  expect(rulesOf(role('off', open, { disabled: true }))).toEqual([]);
});

test.each([
  ['an Entra issuer of many tenants', 'https://login.microsoftonline.com/common/v2.0', true],
  [
    'an Entra issuer of one tenant',
    'https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0',
    false,
  ],
])('%s', (_, iss, isShared) => {
  const groups = { StringEqual: { 'jwt:iss': [iss] }, 'ForAnyValue:StringEqual': { 'jwt:groups': ['a'] } };
  const errors = lint([issuer(iss, 'entra'), role('r', groups)]).filter(({ severity }) => severity === 'error');
  expect(errors.map(({ rule, admits }) => ({ rule, admits }))).toEqual(
    isShared ? [{ rule: 'CS001', admits: ['evil'] }] : [],
  );
});

test('a subject that an enforcement point vouches for has no tenant to name', () => {
  const { spec } = role('r', {});
  const vouched = { ...role('r', {}), spec: { ...spec, condition: { StringEqual: { 'subject:type': ['user'] } } } };
  expect(rulesOf(vouched)).toEqual([]);
});

const piece = fc.constantFrom('*', '?', ':', '/', 'a', 'repo', 'acme', '@', '${jwt:a}', '\u0430', ' ');
const text = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''));
const operator = fc.constantFrom(
  ...['StringEqual', 'StringLike', 'StringNotLike', 'StringLikeIfExists', 'Bool', 'NumericEqual', 'IpAddress', 'Null'],
  ...['ForAnyValue:StringEqual', 'ForAllValues:StringLike', 'DateLessThan'],
);
const key = fc.constantFrom(
  ...['jwt:sub', 'jwt:/sub', 'jwt:repository', 'jwt:ref', 'jwt:email', 'jwt:groups', 'jwt:/a/b', 'jwt:project_path'],
  ...['jwt:/kubernetes.io/namespace', 'jwt:environment', 'subject:id', 'ctx:sourceIp', 'ctx:time', 'resource:/a/b'],
);
const condition = fc.dictionary(
  operator,
  fc.dictionary(key, fc.array(text, { minLength: 1, maxLength: 3 }), { maxKeys: 3 }),
);
const issuers = fc.constantFrom(github, 'https://gitlab.com', 'https://own.example', 'http://127.0.0.1:1');

test('lint has an answer for every condition on every platform', () => {
  fc.assert(
    fc.property(condition, issuers, fc.constantFrom(...platforms), (given, iss, platform) => {
      const { StringEqual = {}, ...rest } = given;
      const one = role('r', { ...rest, StringEqual: { ...StringEqual, 'jwt:iss': [iss] } });
      const statement = { sid: null, effect: 'Allow' as const, action: ['A:*'], resource: ['*'], condition: given };
      const policy = { kind: 'Policy' as const, name: 'p', spec: { statement: [statement, statement] } };
      const findings = lint([issuer(iss, platform), one, policy]);
      for (const { message, fix, path } of findings)
        expect([message, fix, path].every((part) => part !== '')).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('a pattern that covers another matches all that the other matches', () => {
  const pattern = fc.array(fc.constantFrom('*', '?', 'a', 'b', ':'), { minLength: 1, maxLength: 5 });
  const fills = fc.array(fc.constantFrom('', 'a', 'b:', 'ab'), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(pattern, pattern, fills, (wide, narrow, stars) => {
      fc.pre(coversPattern(wide.join(''), narrow.join('')));
      const instance = narrow.map((part, index) => (part === '*' ? stars[index] : part === '?' ? 'c' : part)).join('');
      fc.pre(instance !== '');
      expect(matchPattern(compilePattern([wide.join('')]), instance, () => null)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
