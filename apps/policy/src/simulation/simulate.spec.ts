import type { SimulationAnswer } from '@countersign/contracts';
import { written } from '../documents/written.fixture';
import { eventually, PolicyServices, type Answer, type PolicyService } from '../policy-service.fixture';
import {
  DAY_MS,
  daysAgo,
  exchangeEvent,
  GITHUB,
  refusedEvent,
  unverifiedEvent,
} from '../recorded/exchange-events.fixture';

const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start();
});

afterAll(() => services.stop());

const issuer = written('JwtIssuer', 'github', { iss: GITHUB, aud: ['countersign'] });
const policy = (name: string, action = 'Function:Read') =>
  written('Policy', name, {
    statement: [{ sid: `${name}-1`, effect: 'Allow', action: [action], resource: ['dev:*'] }],
  });
const role = (name: string, repositories: string[], spec: object = {}) => {
  const condition = { StringEqual: { 'jwt:iss': [GITHUB], 'jwt:repository': repositories } };
  return written('Role', name, { policy: ['p'], condition, ...spec });
};

const claimsOf = (repository: string, more: object = {}) => ({
  ...{ iss: GITHUB, aud: 'countersign', sub: `repo:${repository}:ref:refs/heads/main`, repository },
  ...more,
});
const simulate = (documents: unknown[], more: object = {}): Promise<Answer> =>
  service.call('/v1/simulate', { method: 'POST', body: { documents, ...more } });

/** Documents in force, and exchanges recorded: acme/web twice and acme/api, evil/web refused, some not decidable. */
const recorded = async (): Promise<Record<'web' | 'late' | 'api' | 'evil', string>> => {
  const made = {
    web: exchangeEvent({ claims: claimsOf('acme/web', { jti: '1' }) }, daysAgo(20)),
    late: exchangeEvent({ claims: claimsOf('acme/web', { jti: '2' }) }, daysAgo(10)),
    api: exchangeEvent({ claims: claimsOf('acme/api') }, daysAgo(5)),
    evil: refusedEvent({ claims: claimsOf('evil/web') }, daysAgo(3)),
  };
  const others = [
    unverifiedEvent({}, daysAgo(2)),
    refusedEvent({ reason: 'replayed', class: 'token already used', claims: claimsOf('acme/web') }, daysAgo(2)),
    exchangeEvent({ outcome: 'voided', claims: claimsOf('acme/web') }, daysAgo(2)),
    exchangeEvent({ claims: claimsOf('acme/web') }, daysAgo(45)),
  ];
  for (const event of [...Object.values(made), ...others]) await service.stream.append('audit', event);
  await eventually(
    () => service.database.query('SELECT event_id FROM policy.recorded_exchanges'),
    (rows) => rows.length === 8,
    30_000,
  );
  return { web: made.web.id, late: made.late.id, api: made.api.id, evil: made.evil.id };
};

describe('POST /v1/simulate', () => {
  let ids: Awaited<ReturnType<typeof recorded>>;
  const inForce = [issuer, policy('p'), policy('q'), role('deploy', ['acme/web', 'acme/api'])];

  beforeAll(async () => {
    expect(await service.call('/v1/apply', { method: 'POST', body: inForce })).toMatchObject({ status: 200 });
    ids = await recorded();
  });

  it('says who would be allowed and who would be denied, by what, and counts the rest', async () => {
    const { status, body } = await simulate([role('deploy', ['acme/web', 'evil/web'])]);
    const statements = [{ policy: 'p', sid: 'p-1' }];
    const group = { issuer: 'github', count: 1, roles: ['deploy'], statements };
    expect(status).toBe(200);
    expect(body).toEqual({
      from: expect.stringMatching(/^\d{4}-.*Z$/),
      to: expect.stringMatching(/^\d{4}-.*Z$/),
      evaluated: 4,
      skipped: 3,
      newlyAllowed: {
        count: 1,
        groupCount: 1,
        groups: [{ ...group, subject: 'repo:evil/web:ref:refs/heads/main', eventIds: [ids.evil] }],
      },
      newlyDenied: {
        count: 1,
        groupCount: 1,
        groups: [{ ...group, subject: 'repo:acme/api:ref:refs/heads/main', eventIds: [ids.api] }],
      },
      unchanged: { count: 2 },
      changedGrants: { count: 0, groupCount: 0, groups: [] },
    });
    expect(Date.parse(body.to) - Date.parse(body.from)).toBe(30 * DAY_MS);
  });

  it('compares with what today’s documents say, not with what was recorded then', async () => {
    const { body } = await simulate(inForce);
    expect(body).toMatchObject({ evaluated: 4, newlyAllowed: { count: 0 }, newlyDenied: { count: 0 } });
  });

  it('groups by identity, newest event first, and says where only the grant changes', async () => {
    const { body } = await simulate([role('deploy', ['acme/web', 'acme/api'], { policy: ['q'] })]);
    const { changedGrants, unchanged } = body as SimulationAnswer;
    expect(unchanged.count).toBe(4);
    expect(changedGrants).toMatchObject({ count: 3, groupCount: 2 });
    expect(changedGrants.groups.map(({ count, eventIds }) => [count, eventIds])).toEqual([
      [2, [ids.late, ids.web]],
      [1, [ids.api]],
    ]);
    expect(changedGrants.groups[0]).toMatchObject({ roles: ['deploy'], statements: [{ policy: 'q', sid: 'q-1' }] });
  });

  it.each<[string, object, object, object]>([
    ['a range', {}, { from: daysAgo(12).toISOString(), to: daysAgo(4).toISOString() }, { evaluated: 2, skipped: 0 }],
    ['a longer range', {}, { from: daysAgo(60).toISOString() }, { evaluated: 5, skipped: 3 }],
    ['pruning', {}, { prune: true }, { newlyDenied: { count: 3 } }],
    [
      'the time of each event',
      { DateLessThan: { 'ctx:time': [daysAgo(15).toISOString()] } },
      {},
      { newlyDenied: { count: 2 } },
    ],
    ['the address of each event', { IpAddress: { 'ctx:sourceIp': ['10.0.0.0/8'] } }, {}, { newlyDenied: { count: 3 } }],
  ])('goes by %s', async (_, condition, more, wanted) => {
    const pinned = { StringEqual: { 'jwt:iss': [GITHUB], 'jwt:repository': ['acme/web', 'acme/api'] } };
    const documents =
      'prune' in more ? [issuer, policy('p')] : [role('deploy', [], { condition: { ...pinned, ...condition } })];
    expect((await simulate(documents, more)).body).toMatchObject(wanted);
  });

  it('changes nothing and issues nothing', async () => {
    const state = async (): Promise<unknown> => [
      (await service.call('/v1/resources')).body,
      (await service.call('/v1/revisions')).body,
      await service.events(),
    ];
    const before = await state();
    await simulate([role('deploy', ['evil/web']), role('another', ['acme/web'])], { prune: false });
    expect(await state()).toEqual(before);
  });

  it('needs the right to simulate', async () => {
    await service.call('/v1/apply', {
      method: 'POST',
      body: [admin('reader', 'Iam:Read'), admin('simulator', 'Iam:Simulate')],
    });
    const as = async (name: string): Promise<number> => {
      const token = await service.token({ policy: [name] });
      return (await service.call('/v1/simulate', { method: 'POST', body: { documents: [issuer] }, token })).status;
    };
    await eventually(
      () => as('simulator'),
      (status) => status === 200,
      30_000,
    );
    expect(await as('reader')).toBe(403);
    const anonymous = { method: 'POST', body: { documents: [issuer] }, token: null };
    expect(await service.call('/v1/simulate', anonymous)).toMatchObject({ status: 401 });
  });

  const admin = (name: string, action: string) =>
    written('Policy', name, { statement: [{ effect: 'Allow', action: [action], resource: ['countersign:*'] }] });

  it('refuses documents as apply does, with the place of each error', async () => {
    const answer = await simulate([policy('fine'), { ...role('deploy', ['acme/web'], { polcy: [] }) }]);
    expect(answer).toMatchObject({ status: 422, body: { detail: '1 error' } });
    expect(answer.body.errors).toMatchObject([{ document: 1, kind: 'Role', name: 'deploy', path: '/spec/polcy' }]);
    const missing = await simulate([issuer], { prune: true });
    expect(missing).toMatchObject({ status: 200 });
    expect(await simulate([issuer, role('deploy', ['a/b'], { policy: ['nope'] })])).toMatchObject({ status: 422 });
  });

  it('refuses to change what the resources directory owns, unless on its behalf', async () => {
    await service.handOver('q', 'directory');
    expect(await simulate([policy('q', 'Function:Write')])).toMatchObject({ status: 409 });
    expect(await simulate([policy('q', 'Function:Write')], { owner: 'directory' })).toMatchObject({ status: 200 });
    await service.handOver('q', 'api');
  });

  it.each<[string, unknown, string]>([
    ['no documents', {}, '/documents'],
    ['documents that are no list', { documents: issuer }, '/documents'],
    ['a time that is none', { documents: [issuer], from: 'yesterday' }, '/from'],
    [
      'a range that ends before it begins',
      { documents: [issuer], from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' },
      '/from',
    ],
    ['a member that does not exist', { documents: [issuer], since: '1d' }, '/since'],
    ['prune that is no boolean', { documents: [issuer], prune: 'yes' }, '/prune'],
    ['a list', [issuer], ''],
  ])('refuses %s, and says where', async (_, body, path) => {
    const { status, body: problem } = await service.call('/v1/simulate', { method: 'POST', body: body as object });
    expect({ status, problem }).toMatchObject({ status: 422, problem: { errors: [{ path }] } });
  });

  it.each<[string, string, number]>([
    ['an empty list', '{"documents":[]}', 422],
    ['JSON that cannot be parsed', '{"documents":', 400],
    ['YAML', 'documents: []', 415],
  ])('refuses %s', async (_, body, status) => {
    const type = status === 415 ? 'application/yaml' : 'application/json';
    const answer = await service.call('/v1/simulate', { method: 'POST', body, type });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });

  it('runs two at once and tells the others when to come again', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => simulate(inForce)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200).length + refused.length).toBe(12);
    expect(refused.length).toBeGreaterThan(0);
    for (const { headers } of refused) expect(headers.get('retry-after')).toBe('5');
    expect(await simulate(inForce)).toMatchObject({ status: 200 });
  });
});
