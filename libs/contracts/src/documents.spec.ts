import type { CountersignDocument } from '@countersign/policy-engine';
import { parse, parseAllDocuments } from 'yaml';
import type { FieldError } from './problems';
import { parseDocument } from './documents-judged.fixture';
import { crossCheck } from './documents-cross-check';

type Json = Record<string, unknown>;

const github = 'https://token.actions.githubusercontent.com';
const envelope = (kind: string, spec: unknown, metadata: Json = { name: 'x' }): Json => ({
  apiVersion: 'countersign.dev/v1',
  kind,
  metadata,
  spec,
});
const issuer = (spec: Json = {}): Json =>
  envelope('JwtIssuer', { iss: github, aud: ['https://gw.example.com'], ...spec });
const condition = (more: Json = {}): Json => ({
  StringEqual: { 'jwt:iss': [github], 'jwt:repository_id': ['1'] },
  ...more,
});
const role = (spec: Json = {}): Json => envelope('Role', { policy: ['p'], condition: condition(), ...spec });
const statement = (more: Json = {}): Json => ({ effect: 'Allow', action: ['A:B'], resource: ['*'], ...more });
const policy = (more: Json = {}): Json => envelope('Policy', { statement: [statement(more)] });

function errorsOf(raw: unknown): FieldError[] {
  const result = parseDocument(raw);
  return result.ok ? [] : result.errors;
}
const placesOf = (raw: unknown): string[] => errorsOf(raw).map(({ code, path }) => `${code} ${path}`);

function specOf(raw: unknown): unknown {
  const result = parseDocument(raw);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.document.spec;
}

const like = (value: unknown, key = 'jwt:sub') => role({ condition: condition({ StringLike: { [key]: value } }) });

describe('a document that is not valid is refused with the place of the error', () => {
  test.each<[string, unknown, string[]]>([
    ['no object', 'text', ['invalid_type ']],
    ['null', null, ['invalid_type ']],
    ['an unknown kind', envelope('Rolle', {}), ['invalid_value /kind']],
    ['an unknown apiVersion', { ...role(), apiVersion: 'v1' }, ['invalid_value /apiVersion']],
    ['an unknown field of the envelope', { ...role(), status: {} }, ['unknown_field /status']],
    ['an unknown field of metadata', { ...role(), metadata: { name: 'x', uid: '1' } }, ['unknown_field /metadata/uid']],
    ['no name', { ...role(), metadata: {} }, ['required /metadata/name']],
    ['a name with capitals', { ...role(), metadata: { name: 'Deploy' } }, ['invalid_name /metadata/name']],
    ['a name that ends in a dash', { ...role(), metadata: { name: 'deploy-' } }, ['invalid_name /metadata/name']],
    ['a name of 254 characters', { ...role(), metadata: { name: 'a'.repeat(254) } }, ['invalid_name /metadata/name']],
    ['no spec', { ...role(), spec: undefined }, ['required /spec']],
    ['a misspelt field', role({ polcy: [] }), ['unknown_field /spec/polcy']],
    ['two misspelt fields', role({ a: 1, b: 2 }), ['unknown_field /spec/a', 'unknown_field /spec/b']],
    ['a field with a slash', role({ 'a/b~c': 1 }), ['unknown_field /spec/a~1b~0c']],
    ['a member named __proto__', JSON.parse('{"spec":{"__proto__":{}}}'), ['unknown_field /spec/__proto__']],
    [
      'an operator named __proto__',
      role({ condition: JSON.parse('{"__proto__":{"jwt:sub":["x"]}}') }),
      ['unknown_field /spec/condition/__proto__'],
    ],
    ['notPrincipal', role({ notPrincipal: {} }), ['unknown_field /spec/notPrincipal']],
    ['NotAction', policy({ NotAction: [] }), ['unknown_field /spec/statement/0/NotAction']],
    ['NotResource', policy({ NotResource: [] }), ['unknown_field /spec/statement/0/NotResource']],
    ['effects', policy({ effects: 'Allow' }), ['unknown_field /spec/statement/0/effects']],
    ['effect in small letters', policy({ effect: 'allow' }), ['invalid_value /spec/statement/0/effect']],
    ['effect with a space', policy({ effect: 'Deny ' }), ['invalid_value /spec/statement/0/effect']],
    ['effect null', policy({ effect: null }), ['invalid_value /spec/statement/0/effect']],
    ['no effect', policy({ effect: undefined }), ['required /spec/statement/0/effect']],
    ['no statement', envelope('Policy', { statement: [] }), ['empty_list /spec/statement']],
    ['no action', policy({ action: [] }), ['empty_list /spec/statement/0/action']],
    ['no resource', policy({ resource: [] }), ['empty_list /spec/statement/0/resource']],
    ['an empty action', policy({ action: '' }), ['empty_value /spec/statement/0/action']],
    ['a template in an action', policy({ action: ['${jwt:x}'] }), ['template_not_allowed /spec/statement/0/action/0']],
    ['an open template', policy({ resource: ['a', 'n:${jwt:x'] }), ['invalid_template /spec/statement/0/resource/1']],
    [
      'too many statements',
      envelope('Policy', { statement: Array(1001).fill(statement()) }),
      ['too_many /spec/statement'],
    ],
    ['an empty list of policies', role({ policy: [] }), ['empty_list /spec/policy']],
    ['an empty list of audiences', role({ audience: [] }), ['empty_list /spec/audience']],
    ['an empty list of addresses', role({ trustedIps: [] }), ['empty_list /spec/trustedIps']],
    ['an address that is none', role({ trustedIps: ['10.0.0.0/33'] }), ['invalid_address /spec/trustedIps/0']],
    ['an unknown event', role({ allowedEvents: ['push'] }), ['invalid_value /spec/allowedEvents/0']],
    ['a negative number of uses', role({ maxUses: -1 }), ['out_of_range /spec/maxUses']],
    ['a boolean in quotes', role({ disabled: 'false' }), ['invalid_type /spec/disabled']],
    ['a duration without unit', role({ maxTokenExpiry: 900 }), ['invalid_type /spec/maxTokenExpiry']],
    ['a duration in days', role({ maxTokenExpiry: '1d' }), ['invalid_duration /spec/maxTokenExpiry']],
    ['a duration of half seconds', role({ maxTokenExpiry: '1.5s' }), ['invalid_duration /spec/maxTokenExpiry']],
    ['a lifetime that is too long', role({ maxTokenExpiry: '25h' }), ['out_of_range /spec/maxTokenExpiry']],
  ])('%s', (_, raw, places) => {
    expect(placesOf(raw)).toEqual(places);
  });
});

describe('a condition that could match more than it says is refused', () => {
  test.each<[string, unknown, string[]]>([
    ['neither principal nor condition', role({ condition: undefined }), ['unconditional_role /spec']],
    ['an empty condition', role({ condition: {} }), ['unconditional_role /spec']],
    ['condition null', role({ condition: null }), ['invalid_type /spec/condition']],
    [
      'a principal without issuer',
      role({ condition: undefined, principal: { 'jwt:sub': ['a'] } }),
      ['issuer_not_pinned /spec/condition'],
    ],
    ['no issuer', role({ condition: { StringEqual: { 'jwt:sub': 'a' } } }), ['issuer_not_pinned /spec/condition']],
    [
      'an issuer by pattern',
      role({ condition: { StringLike: { 'jwt:iss': ['https://*'] } } }),
      ['issuer_not_pinned /spec/condition'],
    ],
    [
      'an issuer if it exists',
      role({ condition: { StringEqualIfExists: { 'jwt:iss': [github] } } }),
      ['issuer_not_pinned /spec/condition'],
    ],
    [
      'an issuer from an array',
      role({ condition: { 'ForAnyValue:StringEqual': { 'jwt:iss': [github] } } }),
      ['issuer_not_pinned /spec/condition'],
    ],
    [
      'principal with another key',
      role({ principal: { 'jwt:email': ['a'] } }),
      ['required /spec/principal/jwt:sub', 'unknown_field /spec/principal/jwt:email'],
    ],
    ['principal without values', role({ principal: { 'jwt:sub': [] } }), ['empty_list /spec/principal/jwt:sub']],
    ['principal null', role({ principal: null }), ['invalid_type /spec/principal']],
    ['an empty principal', role({ principal: { 'jwt:sub': [''] } }), ['empty_value /spec/principal/jwt:sub/0']],
    [
      'an operator without keys',
      role({ condition: condition({ StringLike: {} }) }),
      ['empty_object /spec/condition/StringLike'],
    ],
    ['an empty list of values', like([]), ['empty_list /spec/condition/StringLike/jwt:sub']],
    ['null for values', like(null), ['invalid_type /spec/condition/StringLike/jwt:sub']],
    ['null among values', like(['a', null]), ['invalid_type /spec/condition/StringLike/jwt:sub/1']],
    ['an object among values', like([{}]), ['invalid_type /spec/condition/StringLike/jwt:sub/0']],
    ['an empty value', like(['']), ['empty_value /spec/condition/StringLike/jwt:sub/0']],
    ['an empty scalar', like(''), ['empty_value /spec/condition/StringLike/jwt:sub']],
    [
      'an empty value of StringEqual',
      role({ condition: { StringEqual: { 'jwt:iss': [''] } } }),
      ['empty_value /spec/condition/StringEqual/jwt:iss/0'],
    ],
    ['a star', like(['*']), ['match_all /spec/condition/StringLike/jwt:sub/0']],
    [
      'stars and question marks',
      like(['a*', '**', '?*']),
      ['match_all /spec/condition/StringLike/jwt:sub/1', 'match_all /spec/condition/StringLike/jwt:sub/2'],
    ],
    ['a key with slashes', like(['*'], 'jwt:/a/b~1c'), ['match_all /spec/condition/StringLike/jwt:~1a~1b~01c/0']],
    [
      'more values than anybody writes (POL-27)',
      like(Array(1_001).fill('a')),
      ['too_many /spec/condition/StringLike/jwt:sub'],
    ],
    ['a pattern of 513 characters', like(['a'.repeat(513)]), ['pattern_too_long /spec/condition/StringLike/jwt:sub/0']],
    ['a pattern of 17 stars', like(['a*'.repeat(17)]), ['too_many_wildcards /spec/condition/StringLike/jwt:sub/0']],
    ['a template in a role', like(['${jwt:sub}']), ['template_not_allowed /spec/condition/StringLike/jwt:sub/0']],
    ['a key without prefix', like(['a'], 'sub'), ['unknown_key /spec/condition/StringLike/sub']],
    ['a key without name', like(['a'], 'jwt:'), ['unknown_key /spec/condition/StringLike/jwt:']],
    ['an unknown ctx key', like(['a'], 'ctx:country'), ['unknown_key /spec/condition/StringLike/ctx:country']],
    [
      'two spellings of one operator',
      role({ condition: condition({ StringEquals: { 'jwt:ref': ['a'] } }) }),
      ['duplicate_operator /spec/condition/StringEquals'],
    ],
    [
      'a number that is none',
      role({ condition: condition({ NumericEqual: { 'jwt:n': ['1x'] } }) }),
      ['invalid_number /spec/condition/NumericEqual/jwt:n/0'],
    ],
    [
      'a number that cannot be told apart',
      role({ condition: condition({ StringEqual: { 'jwt:iss': github, 'jwt:id': 9007199254740993 } }) }),
      ['inexact_number /spec/condition/StringEqual/jwt:id'],
    ],
    [
      'a boolean that is none',
      role({ condition: condition({ Bool: { 'jwt:b': 'yes' } }) }),
      ['invalid_boolean /spec/condition/Bool/jwt:b'],
    ],
    [
      'an address range that is none',
      role({ condition: condition({ IpAddress: { 'ctx:sourceIp': '10.0.0.0/40' } }) }),
      ['invalid_address /spec/condition/IpAddress/ctx:sourceIp'],
    ],
    [
      'a date that is none',
      role({ condition: condition({ DateLessThan: { 'ctx:time': 'tomorrow' } }) }),
      ['invalid_date /spec/condition/DateLessThan/ctx:time'],
    ],
  ])('%s', (_, raw, places) => {
    expect(placesOf(raw).sort()).toEqual(places);
  });

  test.each([
    'stringlike',
    'StringEqualz',
    'string_equal',
    'ForSomeValue:StringLike',
    'Boolean',
    'NullIfExists',
    'ForAnyValue:Null',
    'IfExists',
    '',
  ])('the operator "%s" is unknown, and the message names those that exist', (operator) => {
    const [error] = errorsOf(role({ condition: condition({ [operator]: { 'jwt:sub': ['a'] } }) }));
    expect(error).toMatchObject({ code: 'unknown_operator', path: `/spec/condition/${operator}` });
    expect(error?.message).toContain('StringEqual, StringNotEqual');
  });
});

describe('an issuer that could be mistaken for another is refused', () => {
  test.each<[string, Json, string[]]>([
    ['no audience', { aud: undefined }, ['required /spec/aud']],
    ['an empty list of audiences', { aud: [] }, ['empty_list /spec/aud']],
    ['an empty audience', { aud: [''] }, ['invalid_audience /spec/aud/0']],
    ['any audience', { aud: ['*'] }, ['invalid_audience /spec/aud/0']],
    ['any audience as scalar', { aud: '*' }, ['invalid_audience /spec/aud']],
    ['no iss', { iss: undefined }, ['required /spec/iss']],
    ['iss without a place for keys', { iss: 'kubernetes/serviceaccount' }, ['invalid_url /spec/iss']],
    ['iss of all tenants', { iss: 'https://login.microsoftonline.com/common/v2.0' }, ['multi_tenant_issuer /spec/iss']],
    [
      'iss with a placeholder',
      { iss: 'https://login.microsoftonline.com/{tenantid}/v2.0' },
      ['multi_tenant_issuer /spec/iss'],
    ],
    ['the algorithm none', { algorithms: ['RS256', 'none'] }, ['forbidden_algorithm /spec/algorithms/1']],
    ['HMAC', { algorithms: 'HS256' }, ['forbidden_algorithm /spec/algorithms']],
    ['an unknown algorithm', { algorithms: ['RS1'] }, ['invalid_value /spec/algorithms/0']],
    ['a private key', { jwks: { keys: [{ kty: 'EC', d: 'x' }] } }, ['private_key /spec/jwks/keys/0/d']],
    ['a shared key', { jwks: { keys: [{ kty: 'oct' }] } }, ['private_key /spec/jwks/keys/0/kty']],
    ['no keys', { jwks: { keys: [] } }, ['empty_list /spec/jwks/keys']],
    ['a file URL', { jwksUri: 'file:///etc/passwd' }, ['invalid_url /spec/jwksUri']],
    ['a URL with a password', { issInternal: 'https://a:b@c' }, ['invalid_url /spec/issInternal']],
    ['a skew beyond five minutes', { clockSkew: '5m1s' }, ['out_of_range /spec/clockSkew']],
    ['a lifetime under a minute', { tokenExpiry: '59s' }, ['out_of_range /spec/tokenExpiry']],
    ['a lifetime beyond a day', { tokenExpiry: '24h1s' }, ['out_of_range /spec/tokenExpiry']],
    ['an age beyond a day', { maxTokenAge: '25h' }, ['out_of_range /spec/maxTokenAge']],
    ['an unknown platform', { platform: 'jenkins' }, ['invalid_value /spec/platform']],
    ['a certificate that is none', { caCertificate: 'x' }, ['invalid_pem /spec/caCertificate']],
    ['an unknown field', { audience: [] }, ['unknown_field /spec/audience']],
  ])('%s', (_, spec, places) => {
    expect(placesOf(issuer(spec))).toEqual(places);
  });
});

describe('a valid document is normalised', () => {
  test('defaults of an issuer are filled in', () => {
    expect(specOf(issuer())).toMatchObject({
      tokenExpiry: 900,
      issInternal: null,
      jwksUri: null,
      jwks: null,
      caCertificate: null,
      algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
      clockSkew: 60,
      maxTokenAge: 86_400,
      singleUse: true,
      typ: ['JWT'],
      platform: 'github',
      carry: expect.arrayContaining([
        'repository',
        'repository_id',
        'repository_owner_id',
        'ref',
        'run_id',
        'sha',
        'actor_id',
      ]),
      pins: [],
      disabled: false,
    });
  });

  test('defaults of a role are filled in', () => {
    expect(specOf(role())).toEqual({
      policy: ['p'],
      principal: null,
      condition: condition(),
      audience: [],
      multipleAudiences: false,
      maxTokenExpiry: null,
      allowedEvents: [],
      trustedIps: [],
      maxUses: 0,
      shadow: false,
      disabled: false,
    });
  });

  test('a repository as principal pins the public issuer of its platform, unless the condition lists another', () => {
    const written = (condition?: object) => specOf(role({ policy: 'p', principal: 'github:acme/web', condition }));
    expect(written()).toMatchObject({
      principal: null,
      repositories: [{ platform: 'github', path: 'acme/web', ref: null }],
      condition: { StringEqual: { 'jwt:iss': [github] } },
    });
    const condition = { StringEqual: { 'jwt:iss': ['https://ghe.example.com/_services/token'] } };
    expect(written(condition)).toMatchObject({ condition });
  });

  test.each([
    ['90s', 90],
    ['1h30m', 5_400],
    ['1.5h', 5_400],
    ['60000ms', 60],
  ])('the duration %s is %d seconds', (written, seconds) => {
    expect(specOf(issuer({ tokenExpiry: written }))).toMatchObject({ tokenExpiry: seconds });
  });

  test('scalars become lists, numbers and booleans in conditions become text, operators get one spelling', () => {
    const written = { StringEquals: { 'jwt:iss': github, 'jwt:id': 5, 'jwt:ok': true } };
    expect(specOf(role({ policy: 'p', principal: { 'jwt:sub': 7 }, condition: written }))).toMatchObject({
      policy: ['p'],
      principal: ['7'],
      condition: { StringEqual: { 'jwt:iss': [github], 'jwt:id': ['5'], 'jwt:ok': ['true'] } },
    });
  });

  test.each([
    ['https://ghe.example.com/_services/token', 'github'],
    ['https://token.actions.githubusercontent.com/octo', 'github'],
    ['https://gitlab.example.com', 'gitlab'],
    ['https://oidc.circleci.com/org/1', 'circleci'],
    ['https://agent.buildkite.com', 'buildkite'],
    ['https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc', 'bitbucket'],
    ['https://vstoken.dev.azure.com/1', 'azure-devops'],
    ['https://app.terraform.io', 'terraform-cloud'],
    ['https://kubernetes.default.svc', 'kubernetes'],
    ['https://oidc.eks.us-east-2.amazonaws.com/id/2F', 'kubernetes'],
    ['https://accounts.google.com', 'google'],
    ['https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0', 'entra'],
    ['https://example.okta.com', 'okta'],
    ['https://keycloak.example.com/realms/openfaas', 'keycloak'],
    ['https://token.actions.githubusercontent.com.evil.test', 'generic'],
    ['https://issuer.example.com', 'generic'],
  ])('the platform of %s is %s', (iss, platform) => {
    expect(specOf(issuer({ iss }))).toMatchObject({ platform });
  });

  test('the walkthrough of IAM for OpenFaaS parses unchanged', () => {
    const documents = parseAllDocuments(walkthrough).map((item) => parseDocument(item.toJS()));
    expect(documents).toMatchObject([
      {
        ok: true,
        document: { kind: 'JwtIssuer', namespace: 'openfaas', spec: { tokenExpiry: 43_200, platform: 'keycloak' } },
      },
      {
        ok: true,
        document: { kind: 'Policy', apiVersion: 'openfaas.com/v1', spec: { statement: [{ sid: '1-rw-staging' }] } },
      },
      { ok: true, document: { kind: 'Role', spec: { principal: ['aa544816-e4e9-4ea0-b4cf-dd70db159d2e'] } } },
    ]);
    expect(crossCheck(documents.flatMap((item) => (item.ok ? [item.document] : [])))).toEqual([]);
  });
});

describe('documents are checked against each other', () => {
  const set = (...raw: Json[]): CountersignDocument[] =>
    raw.map((item) => {
      const result = parseDocument(item);
      if (!result.ok) throw new Error(JSON.stringify(result.errors));
      return result.document;
    });
  const p = envelope('Policy', { statement: [statement()] }, { name: 'p' });
  const check = (...raw: Json[]) =>
    crossCheck(set(...raw)).map(({ document, code, path }) => `${document} ${code} ${path}`);

  test.each<[string, Json[], string[]]>([
    ['a set that fits', [issuer(), p, role()], []],
    ['one iss twice', [issuer(), { ...issuer(), metadata: { name: 'y' } }], ['1 duplicate_issuer /spec/iss']],
    [
      'one name twice, in two namespaces',
      [p, { ...p, metadata: { name: 'p', namespace: 'other' } }],
      ['1 duplicate_document /metadata/name'],
    ],
    ['a missing policy', [p, role({ policy: ['p', 'nope'] })], ['1 missing_policy /spec/policy/1']],
    [
      'a claim that the issuer pins',
      [issuer({ pins: ['jwt:environment'] }), p, role()],
      ['2 pin_missing /spec/condition'],
    ],
    ['a pinned claim that the role constrains', [issuer({ pins: ['repository_id'] }), p, role()], []],
    [
      'a pin that IfExists lets slip',
      [
        issuer({ pins: 'ref' }),
        p,
        role({ condition: condition({ StringLikeIfExists: { 'jwt:ref': 'refs/heads/*' } }) }),
      ],
      ['2 pin_missing /spec/condition'],
    ],
  ])('%s', (_, raw, errors) => {
    expect(check(...raw)).toEqual(errors);
  });
});

test('a document never throws, whatever it is', () => {
  const deep = parse(`${'['.repeat(60)}${']'.repeat(60)}`, { maxAliasCount: 0 }) as unknown;
  for (const raw of [
    undefined,
    1,
    [],
    [[]],
    { kind: {} },
    { metadata: 1 },
    { spec: deep },
    role({ condition: { StringLike: [] } }),
  ]) {
    expect(parseDocument(raw)).toMatchObject({ ok: false });
  }
});

const walkthrough = `
apiVersion: openfaas.com/v1
kind: JwtIssuer
metadata:
  name: keycloak.example.com
  namespace: openfaas
spec:
  iss: https://keycloak.example.com/realms/openfaas
  aud:
    - openfaas
  tokenExpiry: 12h
---
apiVersion: openfaas.com/v1
kind: Policy
metadata:
  name: staging-rw
  namespace: openfaas
spec:
  statement:
  - sid: 1-rw-staging
    action:
    - Function:Read
    - Function:Admin
    - Secret:Read
    effect: Allow
    resource: ["staging:*"]
---
apiVersion: openfaas.com/v1
kind: Role
metadata:
  name: staging-staff-deployers
  namespace: openfaas
spec:
  policy:
  - staging-rw
  principal:
    jwt:sub:
     - aa544816-e4e9-4ea0-b4cf-dd70db159d2e
  condition:
    StringEqual:
      jwt:iss: [ "https://keycloak.example.com/realms/openfaas" ]
`;
