import { operatorSpellings } from '@countersign/policy-engine';
import fc from 'fast-check';
import { parseDocument as byCode } from './documents';
import { documentJsonSchema, jsonSchemaNames } from './documents-json-schema';
import { BEYOND_SCHEMA, parseDocument, parsePolicyTest, passesSchema } from './documents-judged.fixture';
import { parsePolicyTest as testByCode } from './documents-policy-test';

type Json = Record<string, unknown>;

const iss = 'https://ci.test';
const document = (kind: string, spec: Json): Json => ({
  apiVersion: 'countersign.dev/v1',
  kind,
  metadata: { name: 'x', namespace: 'n', labels: { a: 'b' } },
  spec,
});
const issuer = (more: Json = {}): Json => document('JwtIssuer', { iss, aud: ['a'], ...more });
const role = (more: Json = {}): Json =>
  document('Role', { policy: 'p', condition: { StringEqual: { 'jwt:iss': iss } }, ...more });
const checking = (condition: Json): Json => role({ condition: { StringEqual: { 'jwt:iss': iss }, ...condition } });
const policy = (more: Json = {}): Json =>
  document('Policy', { statement: [{ effect: 'Allow', action: 'A:B', resource: ['*'], ...more }] });
const test = (more: Json = {}, spec: Json = {}): Json =>
  document('PolicyTest', { claims: { iss }, cases: [{ name: 'c', expect: { outcome: 'granted' }, ...more }], ...spec });

const full: Record<string, Json> = {
  jwtissuer: issuer({
    tokenExpiry: '10m',
    jwks: { keys: [{ kty: 'RSA', n: 'x' }] },
    algorithms: ['RS256', 'ES256'],
    typ: 'at+jwt',
    carry: ['a', '/b/c'],
    platform: 'generic',
    pins: 'jwt:a',
    disabled: true,
  }),
  role: role({
    principal: { 'jwt:sub': ['a', 7, true] },
    audience: ['a', 'b'],
    allowedEvents: ['workflow_run'],
    trustedIps: ['10.0.0.0/8', '::1'],
    maxTokenExpiry: '1h30m',
    maxUses: 3,
    shadow: true,
  }),
  policy: policy({
    sid: 's',
    resource: 'a:${jwt:x}:*',
    condition: {
      'ForAnyValue:StringLikeIfExists': { 'jwt:groups': ['a*', 'b?'] },
      NumericLessThanEquals: { 'context:n': 5 },
      IpAddress: { 'ctx:sourceIp': '10.0.0.0/8' },
      DateGreaterThan: { 'ctx:time': ['2026-01-01T00:00:00Z', 1_700_000_000] },
      Null: { 'jwt:/a/b': false },
    },
  }),
  policytest: test({ audience: 'a', scope: 'role:r policy:p', mayDiffer: ['a'] }),
};

const judge = (raw: unknown) =>
  (raw as Json | null)?.['kind'] === 'PolicyTest' ? parsePolicyTest(raw) : parseDocument(raw);

describe('a JSON Schema of documents', () => {
  it.each(Object.entries(full))(
    '%s lets a whole document of its kind through, as the one of all kinds does',
    (name, raw) => {
      expect(judge(raw)).toMatchObject({ ok: true });
      expect(passesSchema(raw, name)).toBe(true);
      const others = jsonSchemaNames.filter((other) => ![name, 'document'].includes(other));
      expect(others.filter((other) => passesSchema(raw, other))).toEqual([]);
    },
  );

  it('is there for each kind, and for files that hold several', () => {
    expect(jsonSchemaNames).toEqual(['jwtissuer', 'role', 'policy', 'policytest', 'document']);
    expect(documentJsonSchema('role')).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#' });
    expect(['toString', 'Role', ''].map(documentJsonSchema)).toEqual([undefined, undefined, undefined]);
  });

  it.each(operatorSpellings)('knows the operator %s', (operator) => {
    const value = /Bool|Null/.test(operator) ? 'true' : /Ip/.test(operator) ? '::1' : '5';
    expect(judge(checking({ [operator]: { 'jwt:a': value } })).ok).toBe(
      operator !== 'StringEquals' && operator !== 'StringEqual',
    );
    expect(
      passesSchema(role({ condition: { StringEqual: { 'jwt:iss': iss }, [operator]: { 'jwt:iss': value } } })),
    ).toBe(true);
  });
});

/** One for each code of BEYOND_SCHEMA, so that the list is no longer than it must be. */
const slipping: Record<string, Json> = {
  out_of_range: issuer({ tokenExpiry: '25h' }),
  invalid_duration: issuer({ tokenExpiry: '90.5s' }),
  invalid_address: role({ trustedIps: '10.0.0.0/33' }),
  invalid_date: checking({ DateLessThan: { 'ctx:time': '2026-13-01T00:00:00Z' } }),
  invalid_number: checking({ NumericEqual: { 'jwt:n': '9007199254740993' } }),
  duplicate_operator: checking({ StringEquals: { 'jwt:a': 'b' } }),
  duplicate_case: test({}, { cases: ['c', 'c'].map((name) => ({ name, expect: { outcome: 'granted' } })) }),
  mixed_platforms: role({ principal: ['github:a/b', 'gitlab:a/b'] }),
  contradiction: test({ expect: { outcome: 'denied', decision: true } }),
  invalid_url: issuer({ jwksUri: 'https://user:password@ci.test' }),
  invalid_pem: issuer({ caCertificate: '-----BEGIN CERTIFICATE-----' }),
  invalid_principal: role({ principal: 'github:-/b' }),
  invalid_environment: role({ principal: 'github:a/b@environment:' }),
  invalid_ref: role({ principal: 'github:a/b@a..b' }),
  ambiguous_ref: role({ principal: 'github:a/b@7' }),
  multi_tenant_issuer: issuer({ iss: 'https://login.microsoftonline.com/common/v2.0' }),
  tenant_missing: issuer({ iss: 'https://sts.windows.net/' }),
  forbidden_type: issuer({ typ: 'logout+jwt' }),
  claims_file: test({ claimsFile: 'a.json' }),
  too_deep: issuer({ jwks: { keys: [{ kty: 'RSA', deep: JSON.parse('['.repeat(40) + ']'.repeat(40)) as unknown }] } }),
};

describe('what a JSON Schema cannot say', () => {
  it.each(BEYOND_SCHEMA)('%s passes it, and is refused by the code', (name) => {
    const raw = slipping[name];
    const result = raw?.['kind'] === 'PolicyTest' ? testByCode(raw) : byCode(raw);
    expect(result.ok ? [] : result.errors.map(({ code }) => code)).toContain(name);
    expect(passesSchema(raw)).toBe(true);
  });
});

/** All places of a document, as lists of members. */
const placesIn = (value: unknown, at: string[] = []): string[][] =>
  typeof value === 'object' && value !== null
    ? [at, ...Object.entries(value).flatMap(([member, inner]) => placesIn(inner, [...at, member]))]
    : [at];

function changed(value: unknown, [member, ...rest]: string[], change: (old: unknown) => unknown): unknown {
  if (member === undefined) return change(value);
  const copy = structuredClone(value) as Json;
  copy[member] = changed(copy[member], rest, change);
  return copy;
}

/** As a file would have it: members that are undefined are not there. */
const written = (value: unknown): unknown => JSON.parse(JSON.stringify(value) ?? 'null');

const scalar = fc.oneof(
  fc.constantFrom(
    '',
    '*',
    'a',
    'https://a.test',
    '5m',
    'Allow',
    '${jwt:a}',
    '${jwt:',
    '10.0.0.1',
    'true',
    'jwt:a',
    'github:a/b',
  ),
  fc.string(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
);
const replacement = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom('jwt:iss', 'StringEqual', 'StringLike', 'Bool', 'keys', 'kty', 'd', 'x'), scalar, {
    maxKeys: 3,
  }),
);
const edits = fc.oneof(
  replacement.map((value) => () => value),
  fc.constant(() => undefined),
  replacement.map((value) => (old: unknown) => [old, value]),
  fc.tuple(fc.constantFrom('extra', 'NotAction', 'disabled', 'jwt:a', 'StringEquals', 'claims'), replacement).map(
    ([member, value]) =>
      (old: unknown) =>
        typeof old === 'object' && old !== null && !Array.isArray(old) ? { ...old, [member]: value } : old,
  ),
);

it('judges a document as the code does, whatever is changed in it', () => {
  const places = Object.values(full).flatMap((raw) => placesIn(raw).map((place) => ({ raw, place })));
  fc.assert(
    fc.property(fc.constantFrom(...places), edits, ({ raw, place }, edit) => {
      // Throws where they do not agree.
      judge(written(changed(raw, place, edit)));
    }),
    { numRuns: 3_000 },
  );
});
