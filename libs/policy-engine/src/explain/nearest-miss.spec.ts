import { compileSnapshot } from '../compile-snapshot';
import { decideExchange } from '../decide-exchange';
import type { ExchangeRequest } from '../decisions';
import type { Condition, RoleDocument, RoleSpec } from '../documents';
import { parseRepository } from '../shorthand/parse-repository';
import { explainExchange } from './explain-exchange';
import type { DocumentEdit } from './explanation';
import { editNormalised, findNearestMiss, isAdmittedAfter } from './nearest-miss';
import { withRole } from './with-role';
import { GITHUB as iss, githubIssuer as issuer, openPolicy as policy, roleSpec } from '../documents.fixture';

const publicUrl = 'https://sts.example.com';
const pinned = { 'jwt:iss': [iss] };

const spec = (more: Partial<RoleSpec>): RoleSpec => roleSpec({ condition: { StringEqual: pinned }, ...more });

const role = (name: string, more: Partial<RoleSpec>): RoleDocument => ({ kind: 'Role', name, spec: spec(more) });

const request = (claims: Record<string, unknown>, more: Partial<ExchangeRequest> = {}): ExchangeRequest => ({
  issuer: 'github',
  claims: { iss, ...claims },
  audiences: [],
  roles: null,
  policies: null,
  sourceIp: '203.0.113.7',
  now: 1_800_000_000,
  ...more,
});

const snapshotOf = (...roles: RoleDocument[]) =>
  compileSnapshot({ documents: [issuer, policy, ...roles], publicUrl, revision: 1 });

function missOf(asked: ExchangeRequest, ...roles: RoleDocument[]) {
  const snapshot = snapshotOf(...roles);
  const documents = new Map(roles.map((document) => [document.name, document]));
  return findNearestMiss(snapshot, asked, { explanation: explainExchange(snapshot, asked), documents });
}

const when = (operator: string, key: string, values: string[]): Partial<RoleSpec> => ({
  condition: { StringEqual: pinned, [operator]: { ...(operator === 'StringEqual' ? pinned : {}), [key]: values } },
});
const at = (operator: string, key: string, end = ''): string => `/spec/condition/${operator}/${key}${end}`;
const add = (path: string, value: unknown): DocumentEdit => ({ op: 'add', path, value });
const replace = (path: string, value: unknown): DocumentEdit => ({ op: 'replace', path, value });
const remove = (path: string): DocumentEdit => ({ op: 'remove', path });

const job = (changes: Record<string, unknown> = {}) =>
  request({
    sub: 'repo:acme/web:ref:refs/heads/main',
    ...{ repository: 'acme/web', repository_owner: 'acme', repository_id: '12', repository_owner_id: '1' },
    ...{ ref: 'refs/heads/main', event_name: 'push', ...changes },
  });
const named = (...texts: string[]): Partial<RoleSpec> => ({
  repositories: texts.flatMap((text) => {
    const parsed = parseRepository(text);
    return parsed.ok ? [parsed.repository] : [];
  }),
});
const api = { sub: 'repo:acme/api:ref:refs/heads/main', repository: 'acme/api', repository_id: '13' };

/** What the role asks for, the request, the edit; and requests as near that must stay refused. */
type Row = [string, Partial<RoleSpec>, ExchangeRequest, DocumentEdit, ExchangeRequest[]];

const ref = (name: string) => request({ ref: `refs/heads/${name}` });
const attempt = (value: unknown) => request({ attempt: value });
const teams = (...value: unknown[]) => request({ teams: value });
const from = (sourceIp: string) => request({}, { sourceIp });
const event = (name: string) => request({ event_name: name });
const wanting = (...audiences: string[]) => request({}, { audiences });
const AUDIENCE = 'https://a.example';

const rows: Row[] = [
  [
    'another value of StringEqual',
    when('StringEqual', 'jwt:ref', ['refs/heads/main']),
    ref('dev'),
    add(at('StringEqual', 'jwt:ref', '/-'), 'refs/heads/dev'),
    [ref('dev2'), ref('de'), request({}), request({ ref: 7 })],
  ],
  [
    'a subject of the principal',
    { principal: ['repo:a/b:ref:refs/heads/main'] },
    request({ sub: 'repo:a/b:environment:prod' }),
    add('/spec/principal/jwt:sub/-', 'repo:a/b:environment:prod'),
    [request({ sub: 'repo:a/b:environment:production' }), request({})],
  ],
  [
    'a value that StringEqualIgnoreCase has not',
    when('StringEqualIgnoreCase', 'jwt:environment', ['prod']),
    request({ environment: 'Dev' }),
    add(at('StringEqualIgnoreCase', 'jwt:environment', '/-'), 'Dev'),
    [request({ environment: 'device' }), request({})],
  ],
  [
    'a text that no pattern of StringLike matches: the text itself, no pattern',
    when('StringLike', 'jwt:ref', ['refs/heads/*']),
    request({ ref: 'refs/tags/v1' }),
    add(at('StringLike', 'jwt:ref', '/-'), 'refs/tags/v1'),
    [request({ ref: 'refs/tags/v12' }), request({ ref: 'refs/tags/v2' })],
  ],
  [
    'one excluded value of several',
    when('StringNotEqual', 'jwt:ref', ['refs/heads/a', 'refs/heads/b']),
    ref('b'),
    remove(at('StringNotEqual', 'jwt:ref', '/1')),
    [ref('a')],
  ],
  [
    'an excluded value that is named twice',
    when('StringNotEqual', 'jwt:ref', ['refs/heads/b', 'refs/heads/a', 'refs/heads/b']),
    ref('b'),
    replace(at('StringNotEqual', 'jwt:ref'), ['refs/heads/a']),
    [ref('a')],
  ],
  [
    'the only excluded value: the operator goes, since it may not be empty',
    when('StringNotEqual', 'jwt:ref', ['refs/heads/b']),
    ref('b'),
    remove('/spec/condition/StringNotEqual'),
    [],
  ],
  [
    'the only excluded value of one key of two',
    {
      condition: { StringEqual: pinned, StringNotEqual: { 'jwt:ref': ['refs/heads/b'], 'jwt:actor': ['eve'] } },
    },
    request({ ref: 'refs/heads/b', actor: 'ann' }),
    remove(at('StringNotEqual', 'jwt:ref')),
    [request({ ref: 'refs/heads/b', actor: 'eve' })],
  ],
  [
    'an excluded text without wildcards',
    when('StringNotLike', 'jwt:ref', ['refs/heads/x-*', 'refs/heads/b']),
    ref('b'),
    remove(at('StringNotLike', 'jwt:ref', '/1')),
    [ref('x-1')],
  ],
  [
    'a number',
    when('NumericEqual', 'jwt:attempt', ['1']),
    attempt(2),
    add(at('NumericEqual', 'jwt:attempt', '/-'), '2'),
    [attempt(3), attempt('2')],
  ],
  [
    'a number that is excluded',
    when('NumericNotEqual', 'jwt:attempt', ['1', '2']),
    attempt(2),
    remove(at('NumericNotEqual', 'jwt:attempt', '/1')),
    [attempt(1)],
  ],
  [
    'a limit to stay below',
    when('NumericLessThan', 'jwt:attempt', ['2', '5']),
    attempt(5),
    replace(at('NumericLessThan', 'jwt:attempt', '/1'), '6'),
    [attempt(6), attempt('5')],
  ],
  [
    'a limit to reach at most',
    when('NumericLessThanEqual', 'jwt:attempt', ['5']),
    attempt(6.5),
    replace(at('NumericLessThanEqual', 'jwt:attempt', '/0'), '6.5'),
    [attempt(7)],
  ],
  [
    'a limit to be above',
    when('NumericGreaterThan', 'jwt:attempt', ['5']),
    attempt(3),
    replace(at('NumericGreaterThan', 'jwt:attempt', '/0'), '2'),
    [attempt(2)],
  ],
  [
    'a limit to reach at least',
    when('NumericGreaterThanEqual', 'jwt:attempt', ['5']),
    attempt(3),
    replace(at('NumericGreaterThanEqual', 'jwt:attempt', '/0'), '3'),
    [attempt(2)],
  ],
  [
    'a boolean',
    when('Bool', 'jwt:protected', ['true']),
    request({ protected: false }),
    add(at('Bool', 'jwt:protected', '/-'), 'false'),
    [request({ protected: 'false' }), request({})],
  ],
  [
    'an address',
    when('IpAddress', 'ctx:sourceIp', ['10.0.0.0/8']),
    from('198.51.100.1'),
    add(at('IpAddress', 'ctx:sourceIp', '/-'), '198.51.100.1/32'),
    [from('198.51.100.2'), from('2001:db8::1')],
  ],
  [
    'an address of version 6',
    when('IpAddress', 'ctx:sourceIp', ['10.0.0.0/8']),
    from('2001:db8::1'),
    add(at('IpAddress', 'ctx:sourceIp', '/-'), '2001:db8::1/128'),
    [from('2001:db8::2')],
  ],
  [
    'one excluded address',
    when('NotIpAddress', 'ctx:sourceIp', ['10.0.0.0/8', '192.0.2.1']),
    from('192.0.2.1'),
    remove(at('NotIpAddress', 'ctx:sourceIp', '/1')),
    [from('10.1.1.1')],
  ],
  [
    'a time that is past',
    when('DateLessThan', 'ctx:time', ['2020-01-01T00:00:00Z']),
    request({}, { now: 1_800_000_000 }),
    replace(at('DateLessThan', 'ctx:time', '/0'), '2027-01-15T08:00:01Z'),
    [request({}, { now: 1_800_000_001 })],
  ],
  [
    'a time that is to come, in seconds',
    when('DateGreaterThan', 'jwt:started', ['2000000000']),
    request({ started: 1_900_000_000 }),
    replace(at('DateGreaterThan', 'jwt:started', '/0'), '1899999999'),
    [request({ started: 1_899_999_999 })],
  ],
  [
    'any of a list: the value most like those that are there',
    when('ForAnyValue:StringEqual', 'jwt:teams', ['web-admins']),
    teams('all', 'web-users'),
    add(at('ForAnyValue:StringEqual', 'jwt:teams', '/-'), 'web-users'),
    [teams('all'), teams()],
  ],
  [
    'all of a list but one',
    when('ForAllValues:StringEqual', 'jwt:teams', ['a']),
    teams('a', 'b'),
    add(at('ForAllValues:StringEqual', 'jwt:teams', '/-'), 'b'),
    [teams('a', 'c'), teams()],
  ],
  [
    'all of a list but two',
    when('ForAllValues:StringLike', 'jwt:teams', ['a*']),
    teams('ab', 'b', 'c'),
    replace(at('ForAllValues:StringLike', 'jwt:teams'), ['a*', 'b', 'c']),
    [teams('a', 'd')],
  ],
  [
    'two excluded values of a list',
    when('ForAllValues:StringNotEqual', 'jwt:teams', ['a', 'b', 'c']),
    teams('a', 'b'),
    replace(at('ForAllValues:StringNotEqual', 'jwt:teams'), ['c']),
    [teams('c')],
  ],
  [
    'a value that is there although it need not be',
    when('StringEqualIfExists', 'jwt:environment', ['prod']),
    request({ environment: 'dev' }),
    add(at('StringEqualIfExists', 'jwt:environment', '/-'), 'dev'),
    [request({ environment: 'test' })],
  ],
  [
    'a claim reached by a pointer',
    when('StringEqual', 'jwt:/a~1b/c', ['x']),
    request({ 'a/b': { c: 'y' } }),
    add('/spec/condition/StringEqual/jwt:~1a~01b~1c/-', 'y'),
    [request({ 'a/b': { c: 'z' } })],
  ],
  [
    'a guarded event',
    {},
    event('workflow_run'),
    add('/spec/allowedEvents', ['workflow_run']),
    [event('pull_request_target')],
  ],
  [
    'one more guarded event',
    { allowedEvents: ['workflow_run'] },
    event('pull_request_target'),
    add('/spec/allowedEvents/-', 'pull_request_target'),
    [],
  ],
  [
    'an address that is not trusted',
    { trustedIps: ['10.0.0.0/8'] },
    from('198.51.100.1'),
    add('/spec/trustedIps/-', '198.51.100.1/32'),
    [from('198.51.100.2')],
  ],
  [
    'the first audience beside our own URL',
    {},
    wanting(AUDIENCE),
    add('/spec/audience', [publicUrl, AUDIENCE]),
    [wanting(`${AUDIENCE}/`), wanting(AUDIENCE, publicUrl)],
  ],
  [
    'one more audience',
    { audience: ['https://b.example'] },
    wanting(AUDIENCE),
    add('/spec/audience/-', AUDIENCE),
    [wanting(publicUrl)],
  ],
  [
    'two more audiences',
    { audience: [publicUrl], multipleAudiences: true },
    wanting(AUDIENCE, 'https://b.example'),
    replace('/spec/audience', [publicUrl, AUDIENCE, 'https://b.example']),
    [wanting('https://c.example')],
  ],
  [
    'several audiences at once',
    { audience: [publicUrl, AUDIENCE] },
    wanting(publicUrl, AUDIENCE),
    add('/spec/multipleAudiences', true),
    [wanting('https://c.example')],
  ],
  [
    'another branch of the repository that is named',
    named('github:acme/web@main'),
    job({ ref: 'refs/heads/dev' }),
    add('/spec/principal/-', 'github:acme@1/web@12@refs/heads/dev'),
    [job({ ref: 'refs/heads/dev2' }), job({ ref: 'refs/heads/dev', repository_id: '99' })],
  ],
  [
    'another environment of it',
    named('github:acme/web@environment:prod', 'github:acme/docs'),
    job({ environment: 'test' }),
    add('/spec/principal/-', 'github:acme@1/web@12@refs/heads/main@environment:test'),
    [job({ environment: 'other' }), job({ environment: 'test', ref: 'refs/heads/dev' })],
  ],
  [
    'another repository',
    named('github:acme/web'),
    job(api),
    add('/spec/principal/-', 'github:acme@1/api@13@refs/heads/main'),
    [job({ ...api, ref: 'refs/heads/dev' }), job({ ...api, repository_id: '14' })],
  ],
  [
    'a role that is switched off',
    { ...when('StringEqual', 'jwt:ref', ['refs/heads/main']), disabled: true },
    ref('main'),
    replace('/spec/disabled', false),
    [ref('dev')],
  ],
  [
    'a shadow role',
    { ...when('StringEqual', 'jwt:ref', ['refs/heads/main']), shadow: true },
    ref('main'),
    replace('/spec/shadow', false),
    [ref('dev')],
  ],
];

describe('the one edit', () => {
  test.each(rows)('for %s', (_, more, asked, edit) => {
    expect(missOf(asked, role('r', more))).toEqual({ role: 'r', failedChecks: 1, edit });
  });

  test.each(rows)('for %s flips this decision and no other', (...row) => {
    const [, more, asked, edit, others] = row;
    const before = role('r', more);
    const after = editNormalised(before, edit);
    if (after === null) throw new Error('the edit does not apply');
    for (const one of [asked, ...others]) expect(decideExchange(snapshotOf(before), one).effect).toBe('Deny');
    expect(decideExchange(snapshotOf(after), asked).roles).toEqual(['r']);
    for (const other of others) expect(decideExchange(snapshotOf(after), other).effect).toBe('Deny');
  });

  test.each<[string, Partial<RoleSpec>, ExchangeRequest]>([
    ['a claim that is missing', when('StringEqual', 'jwt:environment', ['prod']), request({})],
    ['a missing claim under a negative operator', when('StringNotEqual', 'jwt:environment', ['prod']), request({})],
    ['a claim of another type', when('StringEqual', 'jwt:attempt', ['1']), attempt(1)],
    ['a value that would be a pattern', when('StringLike', 'jwt:ref', ['main']), request({ ref: 'a*' })],
    ['an exclusion by pattern', when('StringNotLike', 'jwt:ref', ['refs/heads/x-*']), ref('x-1')],
    ['an excluded block of addresses', when('NotIpAddress', 'ctx:sourceIp', ['203.0.113.0/24']), request({})],
    ['a claim that must exist', when('Null', 'jwt:environment', ['false']), request({})],
    ['a claim that must not exist', when('Null', 'jwt:environment', ['true']), request({ environment: 'x' })],
    ['a value with a control character', when('StringEqual', 'jwt:ref', ['main']), request({ ref: 'ma\nin' })],
    ['a value that reads as a template', when('StringEqual', 'jwt:ref', ['main']), request({ ref: '${jwt:sub}' })],
    ['proposed code', named('github:acme/web'), job({ event_name: 'pull_request' })],
    ['another repository of the same name', named('github:acme@1/web@11@main'), job()],
    ['an unknown address', { trustedIps: ['10.0.0.0/8'] }, request({}, { sourceIp: null })],
    ['a time that cannot be written', when('DateLessThan', 'jwt:t', ['2030-01-01T00:00:00Z']), request({ t: 1e15 })],
    ['an empty list', when('ForAllValues:StringEqual', 'jwt:teams', ['a']), teams()],
    ['a mixed list', when('ForAllValues:StringEqual', 'jwt:teams', ['a']), teams('b', 5)],
    ['an audience nobody named', { audience: [AUDIENCE, 'https://b.example'] }, request({})],
    ['a scope that names another role', {}, request({}, { roles: ['other'] })],
    ['a scope that names another policy', {}, request({}, { policies: ['other'] })],
  ])('is none for %s', (_, more, asked) => {
    expect(missOf(asked, role('r', more))).toEqual({ role: 'r', failedChecks: 1, edit: null });
  });
});

describe('the nearest role', () => {
  const both: Condition = { StringEqual: { ...pinned, 'jwt:repository_id': ['1'], 'jwt:ref': ['refs/heads/main'] } };
  const asked = request({ repository_id: '1', ref: 'refs/heads/dev' });

  test('is the one with the fewest checks that fail', () => {
    const other = role('other', { condition: { StringEqual: { ...both['StringEqual'], 'jwt:repository_id': ['2'] } } });
    expect(missOf(asked, other, role('right', { condition: both }))).toMatchObject({ role: 'right', failedChecks: 1 });
    expect(missOf(asked, other)).toEqual({ role: 'other', failedChecks: 2, edit: null });
  });

  test('is, of several, the one with the closest value', () => {
    const far = role('a', when('StringEqual', 'jwt:ref', ['7']));
    const close = role('b', when('StringEqual', 'jwt:ref', ['refs/heads/devel']));
    expect(missOf(asked, far, close)).toMatchObject({ role: 'b' });
  });

  test('is one that an edit mends rather than one that none does', () => {
    const unmendable = role('a', when('StringEqual', 'jwt:environment', ['prod']));
    const mendable = role('b', when('StringEqual', 'jwt:ref', ['7']));
    expect(missOf(asked, unmendable, mendable)).toMatchObject({ role: 'b', edit: { op: 'add' } });
  });

  test.each<[string, ExchangeRequest, RoleDocument[]]>([
    ['what is granted', request({}), [role('r', {})]],
    ['an issuer that no role is for', request({}), []],
    ['a scope that asks for more than matches', request({}, { roles: ['r', 'other'] }), [role('r', {})]],
  ])('is none for %s', (_, one, roles) => {
    expect(missOf(one, ...roles)).toBeNull();
  });
});

describe('explainExchange with many roles', () => {
  const roles = Array.from({ length: 300 }, (_, n) =>
    role(`r${n}`, when('StringEqual', 'jwt:repository_id', [`${n}`])),
  );
  const asked = request({ repository_id: '299', event_name: 'workflow_run' });

  test('shows those that the index offers first, and says how many it leaves out', () => {
    const { roles: shown, rolesLeftOut } = explainExchange(snapshotOf(...roles), asked, { examine: 50, show: 10 });
    expect(shown).toHaveLength(10);
    expect(shown[0]?.name).toBe('r299');
    expect(rolesLeftOut).toBe(290);
  });
});

test('an edited role decides as the whole set compiled again', () => {
  const before = role('r', when('StringEqual', 'jwt:ref', ['refs/heads/main']));
  const after = role('r', when('StringEqual', 'jwt:ref', ['refs/heads/dev']));
  const snapshot = snapshotOf(before);
  for (const one of [ref('main'), ref('dev'), ref('other')]) {
    const whole = decideExchange(snapshotOf(after), one);
    expect(isAdmittedAfter(snapshot, one, after)).toBe(whole.effect === 'Allow');
    const edited = withRole(snapshot, after);
    expect(edited && decideExchange(edited, one)).toEqual({ ...whole, rolesExamined: expect.any(Number) as number });
  }
});
