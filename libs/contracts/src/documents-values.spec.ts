import { documentFields } from './documents';
import { parseDocument } from './documents-judged.fixture';

type Row = [value: unknown, errors: string[]];
/** Field -> wrong values with the codes and the places below the field. */
type Table = Record<string, Row[]>;

const iss = 'https://ci.test';
const pinned = { StringEqual: { 'jwt:iss': [iss] } };
const bases = {
  JwtIssuer: { iss, aud: ['https://gw.example.com'] },
  Role: { policy: ['p'], condition: pinned },
  Policy: { effect: 'Allow', action: ['A:B'], resource: ['*'] },
};
type Kind = keyof typeof bases;

function errorsOf(kind: Kind, field: string, value: unknown): string[] {
  const given = { ...bases[kind], [field]: value };
  const spec = kind === 'Policy' ? { statement: [given] } : given;
  const result = parseDocument({ apiVersion: 'countersign.dev/v1', kind, metadata: { name: 'x' }, spec });
  const at = kind === 'Policy' ? `/spec/statement/0/${field}` : `/spec/${field}`;
  return result.ok ? [] : result.errors.map(({ code, path }) => `${code} ${path.replace(at, '.')}`);
}

const all = (code: string, values: unknown[]): Row[] => values.map((value) => [value, [`${code} .`]]);
const required: Row = [undefined, ['required .']];

const noBoolean = all('invalid_type', ['true', 'yes', 1, 0, null, [], {}, [true]]);

const noDuration: Row[] = [
  ...all('invalid_type', [900, null, true, ['5m'], {}]),
  ...all('invalid_duration', ['', ' ', '5', '1d', '-5m', '+5m', '5 m', '5m ', '5M', '1.5s', '1e3s', 'NaNs', '∞']),
  ...all('invalid_duration', [`${'9'.repeat(400)}h`, '5m5', 'm', '٥m']),
  ...all('out_of_range', ['999h']),
];

/** Of lists that may not be empty: what is wrong with the list, whatever its entries are. */
const noList: Row[] = [
  [[], ['empty_list .']],
  ...all('invalid_type', [null, {}]),
  [[null], ['invalid_type ./0']],
  [[[]], ['invalid_type ./0']],
  [[{}], ['invalid_type ./0']],
];
const tooMany = (entry: string): Row => [Array(1_001).fill(entry), ['too_many .']];

const noClaims: Row[] = [
  ...all('invalid_type', [null, {}]),
  [['ok', null], ['invalid_type ./1']],
  [[''], ['empty_value ./0']],
  ...all('invalid_claim', ['jwt:', '/a~2', 'jwt:/a~']),
  [['ok', '/~'], ['invalid_claim ./1']],
  tooMany('a'),
];

const noUrl: Row[] = [
  ...all('invalid_type', [null, 1, ['https://a.test']]),
  ...all('invalid_url', [
    '',
    'a.test',
    '//a.test',
    '/a',
    'ftp://a.test',
    'file:///etc/passwd',
    'data:,x',
    'javascript:1',
  ]),
  ...all('invalid_url', [
    'https://a.test?b',
    'https://a.test#b',
    'https://u@a.test',
    'https://u:p@a.test',
    'https://a b',
  ]),
  ...all('invalid_url', ['https://', 'https://a.test\n', ' https://a.test']),
];

const cert = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----';
const key = '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----';
const rsa = { kty: 'RSA' };

const wrong: Record<Kind, Table> = {
  JwtIssuer: {
    iss: [
      required,
      ...all('invalid_type', [null, 1, [], [iss], {}]),
      ...all('empty_value', ['']),
      ...all('too_long', [`https://${'a'.repeat(2_048)}`]),
      ...all('invalid_value', ['https://a b', `${iss}\n`, `${iss}\u0000`, ` ${iss}`]),
      ...all('invalid_url', [
        'ci.test',
        'ftp://ci.test',
        'kubernetes/serviceaccount',
        `${iss}?a`,
        'https://u:p@ci.test',
      ]),
      ...all('multi_tenant_issuer', [
        'https://login.microsoftonline.com/common/v2.0',
        'https://login.microsoftonline.com/Organizations/v2.0',
        'https://login.microsoftonline.com/consumers/v2.0',
        'https://login.microsoftonline.us/common/v2.0',
        'https://sts.windows.net/common/',
        'https://sts.windows.net/{tenantid}/',
      ]),
      ...all('tenant_missing', ['https://login.microsoftonline.com/contoso.com/v2.0', 'https://sts.windows.net/']),
    ],
    aud: [
      required,
      ...noList,
      tooMany('a'),
      ...all('invalid_audience', ['', '*', '**', 'a b', 'a\n']),
      [['ok', '*'], ['invalid_audience ./1']],
    ],
    tokenExpiry: [...noDuration, ...all('out_of_range', ['0s', '59s', '24h1s'])],
    clockSkew: [...noDuration, ...all('out_of_range', ['5m1s'])],
    maxTokenAge: [...noDuration, ...all('out_of_range', ['0s', '24h1s'])],
    issInternal: noUrl,
    jwksUri: noUrl,
    jwks: [
      ...all('invalid_type', [null, [], '{}', 'https://a.test/jwks']),
      [{}, ['required ./keys']],
      [{ keys: [] }, ['empty_list ./keys']],
      [{ keys: {} }, ['invalid_type ./keys']],
      [{ keys: [1] }, ['invalid_type ./keys/0']],
      [{ keys: [rsa, {}] }, ['required ./keys/1/kty']],
      [{ keys: [{ kty: 1 }] }, ['invalid_type ./keys/0/kty']],
      [{ keys: Array(101).fill(rsa) }, ['too_many ./keys']],
      [{ keys: [{ kty: 'oct' }] }, ['private_key ./keys/0/kty']],
      ...['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'].map((name): Row => [
        { keys: [rsa, { ...rsa, [name]: 'x' }] },
        [`private_key ./keys/1/${name}`],
      ]),
    ],
    caCertificate: [
      ...all('invalid_type', [null, 1, [cert]]),
      ...all('invalid_pem', ['', 'x', key, `${cert}\n${key}`, `${cert}\n${key}\n${cert}`]),
      ...all('invalid_pem', [cert.replace('AA==', ''), cert.replace('AA==', '<x>'), cert.slice(0, 40), cert.slice(30)]),
      ...all('invalid_pem', [`${cert.slice(0, 32)}\n${cert}`]),
    ],
    algorithms: [
      ...noList,
      ...all('forbidden_algorithm', ['none', 'None', 'HS256', 'HS384', 'hs512']),
      ...all('invalid_value', ['', 'rs256', 'RS1', 'RSA-OAEP', 'ES256K', 'RS256 ']),
      [['RS256', 'HS256'], ['forbidden_algorithm ./1']],
    ],
    typ: [
      ...noList,
      ...all('forbidden_type', ['', 'a b', 'logout+jwt', 'application/Logout+JWT', 'secevent+jwt', 'dpop+jwt', 'JWE']),
      [['JWT', 'dpop+jwt'], ['forbidden_type ./1']],
    ],
    carry: noClaims,
    pins: noClaims,
    platform: all('invalid_value', [null, 1, '', 'GitHub', 'jenkins', ['github'], 'toString']),
    singleUse: noBoolean,
    allowMissingKid: noBoolean,
    strictAudience: noBoolean,
    boundToSubjectExpiry: noBoolean,
    disabled: noBoolean,
  },
  Role: {
    policy: [required, ...noList, tooMany('p'), ...all('invalid_name', ['', 'Bad', 'a b', '*'])],
    principal: [
      ...all('invalid_type', [null, 1, true]),
      [[], ['empty_list .']],
      ['x', ['invalid_principal .']],
      [['github:acme/web', 1], ['invalid_type ./1']],
      [['github:acme/web', 'github:acme/*'], ['wildcard_not_allowed ./1']],
      [['github:acme/web', 'gitlab:acme/web'], ['mixed_platforms ./1']],
      [{ github: 'acme/web' }, ['required ./jwt:sub', 'unknown_field ./github']],
      [{}, ['required ./jwt:sub']],
      [{ 'jwt:sub': null }, ['invalid_type ./jwt:sub']],
      [{ 'jwt:sub': [] }, ['empty_list ./jwt:sub']],
      [{ 'jwt:sub': ['a', ''] }, ['empty_value ./jwt:sub/1']],
      [{ 'jwt:sub': [{}] }, ['invalid_type ./jwt:sub/0']],
      [{ 'jwt:sub': '${jwt:x}' }, ['template_not_allowed ./jwt:sub']],
      [{ 'jwt:sub': 'a', 'jwt:email': 'b' }, ['unknown_field ./jwt:email']],
    ],
    condition: [
      ...all('invalid_type', [null, [], 'x', 1]),
      [undefined, ['unconditional_role /spec']],
      [{}, ['unconditional_role /spec']],
      [{ StringEqual: null }, ['invalid_type ./StringEqual']],
      [{ StringEqual: [] }, ['invalid_type ./StringEqual']],
      [{ ...pinned, StringLike: {} }, ['empty_object ./StringLike']],
      [{ StringEqual: { 'jwt:ref': ['x'] } }, ['issuer_not_pinned .']],
    ],
    audience: [...noList, tooMany('a'), ...all('empty_value', [''])],
    multipleAudiences: noBoolean,
    maxTokenExpiry: [...noDuration, ...all('out_of_range', ['0s', '24h1s'])],
    allowedEvents: [
      ...noList,
      ...all('invalid_value', ['', 'push', '*', 'Workflow_Run']),
      [['workflow_run', 'x'], ['invalid_value ./1']],
    ],
    trustedIps: [
      ...noList,
      ...all('invalid_address', ['', 'x', '10.0.0.0/33', '010.0.0.1', '10.1', '::/129', '0x7f.1']),
    ],
    maxUses: [...all('invalid_type', [null, '1', 1.5, [], NaN, Infinity]), ...all('out_of_range', [-1, 2 ** 53])],
    shadow: noBoolean,
    disabled: noBoolean,
  },
  Policy: {
    sid: [...all('invalid_type', [null, 1, []]), ...all('empty_value', ['']), ...all('too_long', ['a'.repeat(129)])],
    effect: [required, ...all('invalid_value', [null, '', 'allow', 'ALLOW', 'Deny ', true, ['Allow']])],
    action: [
      required,
      ...noList,
      tooMany('a'),
      ...all('empty_value', ['']),
      ...all('template_not_allowed', ['${jwt:a}']),
    ],
    resource: [required, ...noList, tooMany('a'), ...all('empty_value', ['']), ...all('invalid_template', ['${jwt:a'])],
    condition: [
      ...all('invalid_type', [null, [], 'x']),
      [{ Stringequal: {} }, ['unknown_operator ./Stringequal']],
      [{ StringEqual: { ref: 'x' } }, ['unknown_key ./StringEqual/ref']],
      [{ StringEqual: { 'jwt:ref': [] } }, ['empty_list ./StringEqual/jwt:ref']],
    ],
  },
};

describe.each(Object.keys(bases) as Kind[])('a wrong value of a field of %s is refused with its place', (kind) => {
  test('every field has its row', () => {
    expect(Object.keys(wrong[kind]).sort()).toEqual([...documentFields[kind]].sort());
  });

  test.each(Object.entries(wrong[kind]))('%s', (field, rows) => {
    for (const [value, errors] of rows) {
      expect({ value, errors: errorsOf(kind, field, value) }).toEqual({ value, errors });
    }
  });
});

describe('what looks odd and is right is accepted', () => {
  test.each<[Kind, string, unknown]>([
    ['JwtIssuer', 'iss', 'http://127.0.0.1:8080/realms/x'],
    ['JwtIssuer', 'caCertificate', `# a bundle\n${cert}\n\nanother\n${cert}\n`],
    ['JwtIssuer', 'caCertificate', cert.replaceAll('\n', '\r\n')],
    ['JwtIssuer', 'typ', ['JWT', 'at+jwt', 'application/at+jwt', 'kb+jwt']],
    ['JwtIssuer', 'carry', []],
    ['JwtIssuer', 'carry', ['/kubernetes.io/namespace', 'https://claims.example/team', 'jwt:ref']],
    ['JwtIssuer', 'pins', '/kubernetes.io/namespace'],
    ['JwtIssuer', 'clockSkew', '0s'],
    ['JwtIssuer', 'jwks', { keys: [{ ...rsa, x5c: ['AA=='], 'x-vendor': 1 }] }],
    ['JwtIssuer', 'iss', 'https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0'],
    ['JwtIssuer', 'iss', 'https://sts.windows.net/9122040d-6c67-4c5b-b112-36a304b66dad/'],
    ['Role', 'trustedIps', ['10.0.0.1/8', '::/0', '203.0.113.7']],
    ['Role', 'maxUses', 0],
    ['Role', 'principal', { 'jwt:sub': 42 }],
    ['Role', 'principal', 'github:acme/web@main@environment:prod'],
    ['Role', 'principal', ['gitlab:acme/web', 'gitlab:acme/sub/api']],
    ['Policy', 'resource', '${jwt:/a~1b/c}:*'],
  ])('%s.%s: %j', (kind, field, value) => {
    expect(errorsOf(kind, field, value)).toEqual([]);
  });
});
