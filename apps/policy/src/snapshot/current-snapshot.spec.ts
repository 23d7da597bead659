import { decideExchange, listIssuers, policyChanged } from '@countersign/contracts';
import { writtenPolicy } from '../documents/written.fixture';
import { PolicyServices, anotherBus, eventually, testdata, type PolicyService } from '../policy-service.fixture';

// The poll comes when the test says so, and announcements are seen to do without it.
const everythingElse = ['Date', 'hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate'] as const;
jest.useFakeTimers({ doNotFake: [...everythingElse, 'clearImmediate', 'setTimeout', 'clearTimeout'] });
afterAll(() => jest.useRealTimers());

const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start({ documents: testdata('github.yaml') });
});

afterAll(() => services.stop());

const policy = (name: string): string => JSON.stringify(writtenPolicy(name));
const issuersOf = ({ bus }: PolicyService) => bus.request(listIssuers, {});
const decide = ({ bus }: PolicyService) =>
  bus.request(decideExchange, {
    issuer: 'token.actions.githubusercontent.com',
    claims: {
      iss: 'https://token.actions.githubusercontent.com',
      sub: 'repo:acme/web:ref:refs/heads/main',
      repository_owner: 'acme',
    },
    audiences: [],
    roles: null,
    policies: null,
    sourceIp: null,
    now: 1_800_000_000,
  });

describe('the snapshot', () => {
  it('is there after a start on a database that has documents', async () => {
    const replica = await services.startOn(service.databaseUrl, anotherBus());
    expect((await issuersOf(replica)).issuers.map(({ name }) => name)).toEqual(['token.actions.githubusercontent.com']);
    await replica.stop();
  });

  it('is waited for by who asks while it is made at a start', async () => {
    const replica = await services.startOn(service.databaseUrl, anotherBus(), {}, false);
    await replica.database.whenReady();
    expect((await issuersOf(replica)).issuers).toHaveLength(1);
    await replica.stop();
  });

  it('POL-35: is followed by every replica of an apply as soon as they are told, before any of them looks', async () => {
    const replicas = [await services.startOn(service.databaseUrl, service.bus)];
    replicas.push(await services.startOn(service.databaseUrl, service.bus));
    const { revision } = (await service.apply(testdata('walkthrough.yaml'))).body;
    // Requests take turns between the three.
    const all = () => Promise.all([service, ...replicas].map(() => issuersOf(service)));
    await eventually(all, (answers) => answers.every((answer) => answer.revision === revision));
    expect((await all()).map(({ issuers }) => issuers.length)).toEqual([2, 2, 2]);
  });

  it('is the one before for every decision until the next one is whole', async () => {
    const before = (await issuersOf(service)).revision;
    await service.sql(`WITH revision AS (
      INSERT INTO policy.revision (author, source, summary, changes) VALUES ('x', 'api', '{"deleted": 0}', '[]')
      RETURNING number
    ), raw AS (
      SELECT number, 'many-' || n AS name, replace('${policy('many-{n}')}', '{n}', n::text)::json AS raw
      FROM revision, generate_series(1, 3000) n
    )
    INSERT INTO policy.document (kind, name, api_version, owner, raw, etag, revision)
    SELECT 'Policy', name, 'countersign.dev/v1', 'api', raw, name, number FROM raw`);
    service.bus.publish(policyChanged, { revision: before + 1 });
    const revisions: number[] = [];
    const ask = async () => void revisions.push((await decide(service)).revision);
    await eventually(ask, () => revisions.at(-1) === before + 1);
    expect(revisions[0]).toBe(before);
    expect(new Set(revisions)).toEqual(new Set([before, before + 1]));
  });

  it('POL-35: is followed within half a minute where the announcement was lost', async () => {
    const deaf = await services.startOn(service.databaseUrl, anotherBus());
    const before = (await issuersOf(deaf)).revision;
    const { revision } = (await service.apply(policy('lost'))).body;
    expect((await issuersOf(deaf)).revision).toBe(before);
    jest.advanceTimersByTime(30_000);
    await eventually(
      () => issuersOf(deaf),
      (answer) => answer.revision === revision,
    );
  });

  it('leaves out a stored document that is not valid, and decides with the rest', async () => {
    const other = await services.start();
    await other.apply(testdata('github.yaml'));
    await other.sql(`INSERT INTO policy.document (kind, name, api_version, owner, raw, etag, revision) VALUES
      ('Role', 'broken', 'countersign.dev/v1', 'api', '{"kind":"Role","spec":{"condition":{"StringLke":{}}}}', '"x"', 1),
      ('Policy', 'garbage', 'countersign.dev/v1', 'api', '7', '"y"', 1)`);
    const replica = await services.startOn(other.databaseUrl, anotherBus());
    expect((await replica.call('/health/ready')).status).toBe(200);
    expect(await decide(replica)).toMatchObject({ effect: 'Allow', roles: ['dev-actions-deployer'] });
    const { status } = await replica.apply(testdata('walkthrough.yaml'));
    expect(status).toBe(200);
  });

  it('refuses decisions and readiness once the database has confirmed nothing for five minutes, until it does', async () => {
    const cutOff = await services.start();
    await cutOff.apply(testdata('github.yaml'));
    const question = { subject: { type: 'user', id: 'a' }, action: { name: 'x' }, resource: { type: 'y', id: 'z' } };
    const ask = () => cutOff.call('/access/v1/evaluation', { method: 'POST', body: question });
    await cutOff.sql('ALTER TABLE policy.revision RENAME TO gone');
    cutOff.clock.advance(5 * 60_000);
    jest.advanceTimersByTime(5 * 60_000);
    await expect(issuersOf(cutOff)).resolves.toBeDefined();
    expect(await ask()).toMatchObject({ status: 200, body: { decision: false } });
    cutOff.clock.advance(1);
    await expect(issuersOf(cutOff)).rejects.toThrow('unavailable');
    expect((await cutOff.call('/health/ready')).status).toBe(503);
    const refused = await ask();
    expect(refused).toMatchObject({ status: 503, body: { type: 'https://countersign.dev/problems/unavailable' } });
    expect(refused.headers.get('retry-after')).not.toBeNull();
    await cutOff.sql('ALTER TABLE policy.gone RENAME TO revision');
    jest.advanceTimersByTime(30_000);
    await eventually(ask, ({ status }) => status === 200);
  });

  it('is not ready before it has been loaded', async () => {
    const replica = await services.startOn('postgres://nobody@127.0.0.1:1/nowhere', anotherBus(), {}, false);
    expect((await replica.call('/health/live', { token: null })).status).toBe(200);
    expect((await replica.call('/health/ready', { token: null })).status).toBe(503);
    await expect(issuersOf(replica)).rejects.toThrow('unavailable');
    expect((await replica.call('/v1/resources')).status).toBe(503);
    await replica.stop();
  });
});
