import { decideExchange, type ExchangeDecisionMessage } from '@countersign/contracts';
import { newTrace, type Trace } from '@countersign/platform';
import { PolicyServices, anotherBus, eventually, testdata, type PolicyService } from '../policy-service.fixture';

const services = new PolicyServices();

afterAll(() => services.stop());

/** A service with a role for `github:acme/web`. */
const start = (): Promise<PolicyService> => services.start({ documents: testdata('repositories.yaml') });

interface Ids {
  repository?: string;
  id?: string | undefined;
  owner?: string;
}

function decide(
  { bus }: PolicyService,
  { repository = 'acme/web', id = '123', owner = '9' }: Ids = {},
  trace?: Trace,
): Promise<ExchangeDecisionMessage> {
  const claims = {
    iss: 'https://token.actions.githubusercontent.com',
    sub: `repo:${repository}:ref:refs/heads/main`,
    repository,
    repository_owner: repository.split('/')[0],
    repository_id: id,
    repository_owner_id: owner,
    ref: 'refs/heads/main',
    event_name: 'push',
  };
  const asked = { audiences: [], roles: null, policies: null, sourceIp: null, now: 1_760_000_000 };
  return bus.request(decideExchange, { issuer: 'github', claims, ...asked }, trace);
}

const pins = async ({ call }: PolicyService, query = ''): Promise<Record<string, unknown>[]> =>
  (await call(`/v1/pins${query}`)).body.items;

const granted = { effect: 'Allow', roles: ['web'] };
const recreated = { effect: 'Deny', reason: 'repository_recreated', roles: [] };

describe('a repository is pinned to the ids of its first grant', () => {
  it('and a recreated one is refused, on other replicas and after a restart, too', async () => {
    const service = await start();
    const before = await services.startOn(service.databaseUrl, anotherBus());
    expect(await decide(service)).toMatchObject(granted);
    expect(await decide(service)).toMatchObject(granted);
    expect(await decide(service, { id: '456' })).toMatchObject({
      ...recreated,
      detail: 'acme/web is known as repository 123 of owner 9; the token is of another',
    });
    // This one has never seen the repository, and nobody told it.
    expect(await decide(before, { id: '456' })).toMatchObject(recreated);
    expect(await decide(before)).toMatchObject(granted);
    const after = await services.startOn(service.databaseUrl, anotherBus());
    expect(await decide(after, { owner: '7' })).toMatchObject(recreated);
    expect(await pins(service)).toMatchObject([
      {
        iss: 'https://token.actions.githubusercontent.com',
        repository: 'acme/web',
        repositoryId: '123',
        ownerId: '9',
        subject: 'repo:acme/web:ref:refs/heads/main',
      },
    ]);
  });

  it('by one of many that come at once', async () => {
    const service = await start();
    const replica = await services.startOn(service.databaseUrl, anotherBus());
    const ids = Array.from({ length: 20 }, (_, n) => String(n + 1));
    const decisions = await Promise.all(ids.map((id, n) => decide(n % 2 === 0 ? service : replica, { id })));
    const admitted = ids.filter((_, n) => decisions[n]?.effect === 'Allow');
    expect(admitted).toHaveLength(1);
    expect(await pins(service)).toMatchObject([{ repositoryId: admitted[0] }]);
    expect(decisions.filter(({ reason }) => reason === 'repository_recreated')).toHaveLength(ids.length - 1);
  });

  it('and nothing is granted while that cannot be written down', async () => {
    const service = await start();
    await decide(service);
    const unpinned = { repository: 'acme/api' };
    const role = testdata('repositories.yaml').replaceAll('acme/web', 'acme/api');
    expect((await service.apply(role)).status).toBe(200);
    await service.sql('ALTER TABLE policy.repository_pin RENAME TO elsewhere');
    await expect(decide(service, unpinned)).rejects.toThrow('unavailable');
    await service.sql('ALTER TABLE policy.elsewhere RENAME TO repository_pin');
    expect(await decide(service, unpinned)).toMatchObject(granted);
  });

  it('which a refused exchange does not do', async () => {
    const service = await start();
    expect(await decide(service, { repository: 'evil/web' })).toMatchObject({ reason: 'no_matching_role' });
    expect(await pins(service)).toEqual([]);
  });

  it('with an event for the trail, in the trace of the exchange', async () => {
    const service = await start();
    const trace = newTrace('job-42');
    const { traceId, requestId } = trace;
    await decide(service, {}, trace);
    const event = (await service.events()).find(({ type }) => type.endsWith('repository_pin.created.v1'));
    expect(event).toMatchObject({
      subject: 'acme/web',
      traceparent: expect.stringContaining(traceId),
      data: { repository: 'acme/web', repositoryId: '123', ownerId: '9', author: 'system', traceId, requestId },
    });
  });
});

describe('a pin that was deleted', () => {
  it('lets the recreated repository in, on every replica, and is in the trail', async () => {
    const service = await start();
    const replica = await services.startOn(service.databaseUrl, service.bus);
    await decide(service);
    await decide(service);
    const [pin] = await pins(service);
    const requestId = 'by-hand-7';
    const asked = { method: 'DELETE', headers: { 'x-request-id': requestId } };
    expect((await service.call(`/v1/pins/${String(pin?.['id'])}`, asked)).status).toBe(204);
    // Requests take turns between the two.
    const both = () => Promise.all([decide(service, { id: '456' }), decide(service, { id: '456' })]);
    await eventually(both, (decisions) => decisions.every(({ effect }) => effect === 'Allow'));
    expect(await pins(replica)).toMatchObject([{ repositoryId: '456' }]);
    const event = (await service.events()).find(({ type }) => type.endsWith('repository_pin.deleted.v1'));
    expect(event?.data).toMatchObject({ pinId: pin?.['id'], repositoryId: '123', author: 'bootstrap', requestId });
  });

  it.each(['0197e0c4-0000-7000-8000-000000000000', 'x'])('or never was is a 404: %s', async (id) => {
    const service = await start();
    expect((await service.call(`/v1/pins/${id}`, { method: 'DELETE' })).status).toBe(404);
  });
});

describe('/v1/pins', () => {
  let service: PolicyService;

  beforeAll(async () => {
    service = await start();
    const names = ['acme/web', 'acme/api', 'acme/jobs'];
    await service.apply(
      testdata('repositories.yaml').replace('github:acme/web', JSON.stringify(names.map((name) => `github:${name}`))),
    );
    for (const repository of names) await decide(service, { repository });
  });

  it('lists the newest first, in pages, and by repository', async () => {
    const first = await service.call('/v1/pins?limit=2');
    expect(first.body.items.map((pin: { repository: string }) => pin.repository)).toEqual(['acme/jobs', 'acme/api']);
    const rest = await service.call(`/v1/pins?limit=2&cursor=${first.body.nextCursor}`);
    expect(rest.body).toMatchObject({ items: [{ repository: 'acme/web' }], nextCursor: null });
    expect(await pins(service, '?repository=acme/api')).toMatchObject([{ repository: 'acme/api' }]);
  });

  it.each([
    ['no credentials', 401, '/v1/pins', { token: null }],
    ['a cursor that is not one of ours', 422, '/v1/pins?cursor=x', {}],
    ['a limit of none', 422, '/v1/pins?limit=0', {}],
    ['a deletion without credentials', 401, '/v1/pins/x', { method: 'DELETE', token: null }],
  ])('%s: %d', async (_, status, path, call) => {
    expect((await service.call(path, call)).status).toBe(status);
  });

  it('needs Iam:Read to look and Iam:Write to delete', async () => {
    const token = await service.token({ policy: [] });
    expect((await service.call('/v1/pins', { token })).status).toBe(403);
    expect((await service.call('/v1/pins/x', { method: 'DELETE', token })).status).toBe(403);
  });
});
