import { compileSnapshot } from '../compile-snapshot';
import { decideExchange } from '../decide-exchange';
import type { Claims } from '../decisions';
import type { CountersignDocument, RoleSpec } from '../documents';
import { explainExchange } from '../explain/explain-exchange';
import { withIssuer } from './expand-repository';
import { parseRepository } from './parse-repository';
import { pinKey, type RepositoryPin } from './repository-pins';
import { roleSpec } from '../documents.fixture';

const iss = 'https://token.actions.githubusercontent.com';
const gitlab = 'https://gitlab.com';

function role(name: string, principal: string[], more: Partial<RoleSpec> = {}): CountersignDocument {
  const repositories = principal.map((text) => {
    const parsed = parseRepository(text);
    if (!parsed.ok) throw new Error(parsed.message);
    return parsed.repository;
  });
  const spec = roleSpec({ repositories, condition: withIssuer({}, repositories), ...more });
  return { kind: 'Role', name, spec };
}

const base = [
  { kind: 'JwtIssuer', name: 'github', spec: { iss, platform: 'github', disabled: false } },
  { kind: 'JwtIssuer', name: 'gitlab', spec: { iss: gitlab, platform: 'gitlab', disabled: false } },
  { kind: 'Policy', name: 'p', spec: { statement: [] } },
] as unknown as CountersignDocument[];

const pinned: RepositoryPin = { iss, path: 'acme/web', repositoryId: '123', ownerId: '9' };
const project: RepositoryPin = { iss: gitlab, path: 'group/edge', repositoryId: '20', ownerId: '72' };

const snapshotOf = (roles: CountersignDocument[], pins: RepositoryPin[]) =>
  compileSnapshot({
    documents: [...base, ...roles],
    publicUrl: 'https://sts.test',
    revision: 1,
    pins: new Map(pins.map((pin) => [pinKey(pin), pin])),
  });

const request = (claims: Claims) => ({
  issuer: claims['iss'] === gitlab ? 'gitlab' : 'github',
  claims,
  audiences: [],
  roles: null,
  policies: null,
  sourceIp: null,
  now: 0,
});

const job = (more: Claims = {}): Claims => ({
  iss,
  sub: 'repo:acme/web:ref:refs/heads/main',
  repository: 'acme/web',
  repository_owner: 'acme',
  repository_id: '123',
  repository_owner_id: '9',
  ref: 'refs/heads/main',
  event_name: 'push',
  ...more,
});

const pipeline = (more: Claims = {}): Claims => ({
  iss: gitlab,
  sub: 'project_path:group/edge:ref_type:branch:ref:main',
  project_path: 'group/edge',
  namespace_path: 'group',
  project_id: '20',
  namespace_id: '72',
  ref_path: 'refs/heads/main',
  pipeline_source: 'push',
  ...more,
});

const decide = (roles: CountersignDocument[], pins: RepositoryPin[], claims: Claims) =>
  decideExchange(snapshotOf(roles, pins), request(claims));

const web = role('web', ['github:acme/web']);
const edge = role('edge', ['gitlab:group/edge']);
const granted = { effect: 'Allow', reason: null };
const recreated = { effect: 'Deny', reason: 'repository_recreated', roles: [], sighting: null };

describe('a repository whose ids are known is that one and no other', () => {
  test.each<[string, CountersignDocument[], RepositoryPin[], Claims, object]>([
    ['the same one', [web], [pinned], job(), { ...granted, sighting: null }],
    ['the same one by its immutable subject', [web], [pinned], job({ sub: 'repo:acme@9/web@123:x' }), granted],
    ['recreated', [web], [pinned], job({ repository_id: '456' }), recreated],
    ['recreated under a recreated owner', [web], [pinned], job({ repository_owner_id: '7' }), recreated],
    ['without ids, as no token of today is', [web], [pinned], job({ repository_id: undefined }), recreated],
    ['with an id that is a number', [web], [pinned], job({ repository_id: 123 }), recreated],
    ['of an issuer that nothing is known of', [web], [{ ...pinned, iss: 'https://ghe.test' }], job(), granted],
    [
      'of which another case is known',
      [web],
      [{ ...pinned, path: 'Acme/web' }],
      job({ repository_id: '456' }),
      granted,
    ],
    ['a GitLab project', [edge], [project], pipeline(), granted],
    ['a GitLab project, recreated', [edge], [project], pipeline({ project_id: '21' }), recreated],
    ['a GitLab project in a recreated group', [edge], [project], pipeline({ namespace_id: '1' }), recreated],
  ])('%s', (...[, roles, pins, claims, wanted]) => {
    expect(decide(roles, pins, claims)).toMatchObject(wanted);
  });

  test('transferred: the new name needs a role of its own, and the old name stays with the old ids', () => {
    const moved = job({ repository: 'globex/web', repository_owner: 'globex', repository_owner_id: '5', sub: 'x' });
    expect(decide([web], [pinned], moved)).toMatchObject({ effect: 'Deny', reason: 'no_matching_role' });
    const decision = decide([web, role('moved', ['github:globex/web'])], [pinned], moved);
    expect(decision).toMatchObject({ effect: 'Allow', sighting: { path: 'globex/web', repositoryId: '123' } });
  });

  test('ids of the document count, whatever was seen', () => {
    const ids = role('ids', ['github:acme@9/web@456']);
    expect(decide([ids], [pinned], job({ repository_id: '456' }))).toMatchObject({ ...granted, sighting: null });
    expect(decide([ids], [pinned], job())).toMatchObject({ effect: 'Deny', reason: 'no_matching_role' });
  });

  test('a pin says nothing where a role fails for another reason, too', () => {
    const main = role('main', ['github:acme/web@main']);
    const elsewhere = job({ repository_id: '456', ref: 'refs/heads/dev', sub: 'x' });
    expect(decide([main], [pinned], elsewhere)).toMatchObject({ effect: 'Deny', reason: 'no_matching_role' });
  });

  test('a shadow role gives no reason', () => {
    const shadow = role('shadow', ['github:acme/web'], { shadow: true });
    expect(decide([shadow], [pinned], job({ repository_id: '456' }))).toMatchObject({ reason: 'no_matching_role' });
  });

  test('a role on claims alone is not concerned', () => {
    const byClaim = role('by-claim', [], {
      condition: { StringEqual: { 'jwt:iss': [iss], 'jwt:ref': ['refs/heads/main'] } },
    });
    delete (byClaim.spec as RoleSpec).repositories;
    const decision = decide([web, byClaim], [pinned], job({ repository_id: '456' }));
    expect(decision).toMatchObject({ ...granted, roles: ['by-claim'], sighting: null });
  });

  test('the detail and the explanation name the ids that were wanted', () => {
    const claims = job({ repository_id: '456' });
    const detail = 'acme/web is known as repository 123 of owner 9; the token is of another';
    expect(decide([web], [pinned], claims).detail).toBe(detail);
    const { roles } = explainExchange(snapshotOf([web], [pinned]), request(claims));
    expect(roles[0]?.checks).toContainEqual({
      path: '/spec/principal',
      operator: 'StringEqual',
      key: 'jwt:repository_id',
      expected: ['123'],
      actual: '456',
      present: true,
      matched: false,
    });
  });
});

describe('a repository is to be pinned when it is first granted something', () => {
  test.each<[string, CountersignDocument[], Claims, RepositoryPin | null]>([
    ['a repository', [web], job(), pinned],
    ['a GitLab project', [edge], pipeline(), project],
    ['not by a role that gives ids', [role('ids', ['github:acme@9/web@123'])], job(), null],
    ['not by a shadow role', [role('shadow', ['github:acme/web'], { shadow: true })], job(), null],
    ['not by a refused job', [role('dev', ['github:acme/web@dev'])], job(), null],
    ['not in a guarded event', [web], job({ event_name: 'workflow_run' }), null],
    ['not without ids', [web], job({ repository_id: undefined }), null],
    ['not by ids that are none', [web], job({ repository_owner_id: 'x' }), null],
  ])('%s', (_, roles, claims, sighting) => {
    expect(decide(roles, [], claims).sighting).toEqual(sighting);
  });

  test('what becomes known between two decisions counts in the second', () => {
    const pins = new Map<string, RepositoryPin>();
    const snapshot = compileSnapshot({ documents: [...base, web], publicUrl: 'https://sts.test', revision: 1, pins });
    expect(decideExchange(snapshot, request(job({ repository_id: '456' })))).toMatchObject(granted);
    pins.set(pinKey(pinned), pinned);
    expect(decideExchange(snapshot, request(job({ repository_id: '456' })))).toMatchObject(recreated);
  });
});

test('a role is found by its repository, however many there are', () => {
  const roles = Array.from({ length: 5_000 }, (_, n) => role(`r${n}`, [`github:acme/app-${n}@main`]));
  const decision = decide(roles, [], job({ repository: 'acme/app-7', sub: 'x' }));
  expect(decision).toMatchObject({ roles: ['r7'], rolesExamined: 1 });
});
