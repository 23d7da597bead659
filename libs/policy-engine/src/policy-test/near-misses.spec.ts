import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { compileSnapshot } from '../compile-snapshot';
import type { Claims } from '../decisions';
import { platforms, type Condition, type CountersignDocument, type Platform } from '../documents';
import { nearMisses, scoreNearMisses } from './near-misses';
import type { PolicyTestCase } from './policy-test';
import { runPolicyTest } from './run-policy-test';
import { roleSpec } from '../documents.fixture';

const recorded = join(__dirname, '../../../testing/claims');
const read = (name: string): Claims => JSON.parse(readFileSync(join(recorded, `${name}.json`), 'utf8')) as Claims;

const github = 'https://token.actions.githubusercontent.com';
const publicUrl = 'https://sts.example.com';

const issuer = (name: string, iss: string, platform: Platform): CountersignDocument =>
  ({ kind: 'JwtIssuer', name, spec: { iss, platform, disabled: false } }) as CountersignDocument;

const role = (condition: Condition): CountersignDocument => ({
  kind: 'Role',
  name: 'deploy',
  spec: roleSpec({
    condition: { ...condition, StringEqual: { 'jwt:iss': [github], ...condition['StringEqual'] } },
  }),
});

const policy = (condition: Condition | null = null): CountersignDocument => ({
  kind: 'Policy',
  name: 'p',
  spec: { statement: [{ sid: 's', effect: 'Allow', action: ['Function:*'], resource: ['dev:*'], condition }] },
});

const snapshotOf = (...documents: CountersignDocument[]) =>
  compileSnapshot({ documents: [issuer('github', github, 'github'), ...documents], publicUrl, revision: 1 });

const testCase = (claims: Claims, more: Partial<PolicyTestCase> = {}): PolicyTestCase => ({
  name: 'case',
  issuer: null,
  claims,
  audiences: [],
  roles: null,
  policies: null,
  sourceIp: null,
  time: null,
  permission: null,
  expect: { outcome: 'granted', roles: null, policies: null, reason: null, decision: null },
  mayDiffer: [],
  ...more,
});

const push = read('github-push-modern');

describe('a near miss is a token that an issuer could sign for somebody else', () => {
  const missesOf = (claims: Claims, claim: string): Record<string, unknown>[] =>
    nearMisses('github', claims)
      .filter((miss) => miss.claim === claim)
      .map(({ to, claims: changed }) => ({ to, ...changed }));

  test('another owner has another name in all that quotes it, and other ids', () => {
    expect(missesOf(push, 'repository_owner')[1]).toMatchObject({
      to: 'octo-org-evil',
      repository_owner: 'octo-org-evil',
      repository: 'octo-org-evil/octo-repo',
      sub: 'repo:octo-org-evil/octo-repo:ref:refs/heads/main',
      repository_owner_id: '123457',
      repository_id: '456790',
      // Anybody may call a shared workflow.
      job_workflow_ref: push['job_workflow_ref'],
    });
  });

  test('a repository that was made anew under the same name has another id and the same subject', () => {
    expect(missesOf(push, 'repository_id')[1]).toMatchObject({
      repository_id: '456790',
      repository: push['repository'],
      sub: push['sub'],
    });
  });

  test('an immutable subject has the other id', () => {
    const [, other] = missesOf(read('github-immutable-sub'), 'repository_id');
    expect(other).toMatchObject({ sub: 'repo:octo-org@123456/octo-repo@456790:ref:refs/heads/main' });
    const [, renamed] = missesOf(read('github-immutable-sub'), 'repository');
    expect(renamed).toMatchObject({ sub: 'repo:octo-org@123456/octo-repo-evil@456790:ref:refs/heads/main' });
  });

  test('the ref of a subject is the last place that quotes it', () => {
    const claims = { ...push, repository: 'octo-org/main', sub: 'repo:octo-org/main:ref:refs/heads/main' };
    expect(missesOf(claims, 'ref').map(({ sub }) => sub)).toEqual([
      'repo:octo-org/main:ref:',
      'repo:octo-org/main:ref:refs/heads/main2',
      'repo:octo-org/main:ref:refs/heads/evil/main',
      'repo:octo-org/main:ref:refs/heads/MAIN',
      'repo:octo-org/main:ref:refs/tags/main',
      'repo:octo-org/main:pull_request',
    ]);
  });

  test('guarded events are among them', () => {
    expect(missesOf(push, 'event_name').map(({ to }) => to)).toEqual(['pull_request_target', 'workflow_run']);
  });
});

const platformOf = (name: string): Platform => platforms.find((platform) => name.startsWith(platform)) ?? 'generic';

describe.each(readdirSync(recorded).filter((name) => /^(?!INDEX).*\.json$/.test(name)))('of %s', (file) => {
  const name = file.replace('.json', '');
  const claims = read(name);
  const misses = nearMisses(platformOf(name), claims);

  test('there are some, each another token than the recorded one, always the same', () => {
    expect(misses.length).toBeGreaterThan(0);
    const texts = misses.map((miss) => JSON.stringify(miss.claims));
    expect(texts).not.toContain(JSON.stringify(claims));
    expect(nearMisses(platformOf(name), claims)).toEqual(misses);
  });

  test('what differs from token to token is left alone', () => {
    const perToken = ['iss', 'exp', 'iat', 'nbf', 'jti', 'run_id', 'run_number', 'actor', 'sha', 'nonce', 'user_login'];
    expect(perToken.filter((claim) => misses.some((miss) => miss.claim === claim))).toEqual([]);
    for (const miss of misses) expect(miss.claims).toMatchObject({ iat: claims['iat'], exp: claims['exp'] });
  });
});

test('a token of a thousand claims and members has near misses of a bounded number', () => {
  const wide = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`claim${n}`, `value${n}`]));
  const groups = Array.from({ length: 1_000 }, (_, n) => `group${n}`);
  expect(nearMisses('generic', { groups, ...wide, nested: wide }).length).toBeLessThan(500);
});

describe('the mutation score of a role', () => {
  const ids = { 'jwt:repository_id': ['456789'], 'jwt:repository_owner_id': ['123456'] };
  const strict: Condition = {
    StringEqual: {
      ...ids,
      'jwt:ref': ['refs/heads/main'],
      'jwt:event_name': ['push'],
      'jwt:workflow_ref': [String(push['workflow_ref'])],
      'jwt:job_workflow_ref': [String(push['job_workflow_ref'])],
      'jwt:repository_visibility': [String(push['repository_visibility'])],
      'jwt:runner_environment': ['github-hosted'],
      'jwt:ref_protected': ['true'],
    },
  };
  const slippedOf = (condition: Condition, more: Partial<PolicyTestCase> = {}) =>
    scoreNearMisses(snapshotOf(role(condition), policy()), testCase(push, more), 0).slipped;

  test('is full where every claim is pinned', () => {
    const score = scoreNearMisses(snapshotOf(role(strict), policy()), testCase(push), 0);
    expect(score).toMatchObject({ slipped: [], refused: score.total });
    expect(score.total).toBeGreaterThan(15);
  });

  test.each<[string, Condition, string, string]>([
    [
      'an owner without its end',
      { StringLike: { 'jwt:sub': ['repo:octo-org*:ref:refs/heads/main'] } },
      'repository_owner',
      'octo-org-evil',
    ],
    [
      'a repository without its end',
      { StringLike: { 'jwt:sub': ['repo:octo-org/octo-repo*'] } },
      'repository',
      'octo-org/octo-repo-evil',
    ],
    ['a name without ids', { StringEqual: { 'jwt:repository': ['octo-org/octo-repo'] } }, 'repository_id', '456790'],
    [
      'a branch without its end',
      { StringEqual: ids, StringLike: { 'jwt:ref': ['refs/heads/main*'] } },
      'ref',
      'refs/heads/main2',
    ],
    [
      'any case',
      { StringEqual: ids, StringEqualIgnoreCase: { 'jwt:ref': ['refs/heads/main'] } },
      'ref',
      'refs/heads/MAIN',
    ],
    ['no ref', { StringEqual: ids }, 'ref', 'refs/pull/1/merge'],
    [
      'a shared workflow alone',
      { StringEqual: { 'jwt:job_workflow_ref': [String(push['job_workflow_ref'])] } },
      'repository_owner',
      'octo-org-evil',
    ],
  ])('shows what %s lets in', (_, condition, claim, to) => {
    expect(slippedOf(condition)).toContainEqual({ claim, from: push[claim], to, roles: ['deploy'] });
  });

  test('shows that a claim may be absent', () => {
    const absent = { claim: 'ref_protected', from: 'true', to: null, roles: ['deploy'] };
    const optional = { StringEqual: ids, StringEqualIfExists: { 'jwt:ref_protected': ['true'] } };
    expect(slippedOf(optional).filter(({ claim }) => claim === 'ref_protected')).toEqual([absent]);
  });

  test('leaves out what may differ', () => {
    expect(slippedOf({ StringEqual: ids }, { mayDiffer: ['ref'] }).map(({ claim }) => claim)).not.toContain('ref');
  });

  test('counts what the token may do, too', () => {
    const snapshot = snapshotOf(
      role({ StringEqual: ids }),
      policy({ StringEqual: { 'jwt:ref': ['refs/heads/main'] } }),
    );
    const slips = (permission: PolicyTestCase['permission']) =>
      scoreNearMisses(snapshot, testCase(push, { permission }), 0).slipped.filter(({ claim }) => claim === 'ref')
        .length;
    expect(slips(null)).toBeGreaterThan(0);
    expect(slips({ action: 'Function:Create', resource: 'dev:x' })).toBe(0);
  });

  test('tries the same claims of every other trusted issuer', () => {
    const other = 'https://ghe.example.com/_services/token';
    const both = { StringEqual: { 'jwt:iss': [github, other], ...ids } };
    const snapshot = snapshotOf(issuer('ghes', other, 'github'), role(both), policy());
    const { slipped } = scoreNearMisses(snapshot, testCase(push), 0);
    expect(slipped).toContainEqual({ claim: 'iss', from: github, to: other, roles: ['deploy'] });
  });
});

describe('a case passes only when all comes out as expected', () => {
  const snapshot = snapshotOf(role({ StringEqual: { 'jwt:ref': ['refs/heads/main'] } }), policy());
  const permission = { action: 'Function:Create', resource: 'dev:x' };
  const dev = { ...push, ref: 'refs/heads/dev' };
  const granted = { outcome: 'granted', roles: null, policies: null, reason: null, decision: null } as const;
  const denied = { ...granted, outcome: 'denied' } as const;

  test.each<[string, Partial<PolicyTestCase>, string[]]>([
    ['granted as expected', { expect: { ...granted, roles: ['deploy'], policies: ['p'] } }, []],
    ['another role', { expect: { ...granted, roles: ['other'] } }, ['expected roles other, was roles deploy']],
    ['no role', { expect: { ...granted, policies: [] } }, ['expected policies none, was policies p']],
    ['allowed as expected', { permission, expect: { ...granted, decision: true } }, []],
    [
      'not to be allowed',
      { permission, expect: { ...granted, decision: false } },
      ['expected the permission denied, was the permission allowed'],
    ],
    [
      'not allowed',
      { permission: { ...permission, resource: 'prod:x' }, expect: { ...granted, decision: true } },
      ['expected the permission allowed, was the permission denied'],
    ],
    ['denied as expected', { claims: dev, expect: { ...denied, reason: 'no_matching_role' } }, []],
    [
      'another reason',
      { claims: dev, expect: { ...denied, reason: 'event_not_allowed' } },
      ['expected reason event_not_allowed, was reason no_matching_role'],
    ],
    [
      'denied',
      { claims: dev, expect: { ...granted, roles: ['deploy'] } },
      ['expected granted, was denied (no_matching_role: no role matches these claims)'],
    ],
    ['granted', { expect: denied }, ['expected denied, was granted (roles deploy)']],
    [
      'an unknown issuer',
      { claims: { ...push, iss: 'https://evil.test' }, expect: { ...denied, reason: 'issuer_unknown' } },
      [],
    ],
    ['an issuer by its name', { issuer: 'github', claims: { ...push, iss: undefined } }, []],
    ['a name that no issuer has', { issuer: 'gitlab', expect: { ...denied, reason: 'issuer_unknown' } }, []],
    [
      'an audience that no role allows',
      { audiences: ['https://other.test'], expect: { ...denied, reason: 'target_not_allowed' } },
      [],
    ],
    ['a scope that no role gives', { roles: ['other'], expect: { ...denied, reason: 'scope_not_allowed' } }, []],
  ])('%s', (_, more, messages) => {
    const [result] = runPolicyTest(snapshot, { kind: 'PolicyTest', name: 't', cases: [testCase(push, more)] }, 0);
    expect(result?.mismatches.map(({ message }) => message)).toEqual(messages);
    expect(result?.passed).toBe(messages.length === 0);
  });
});
