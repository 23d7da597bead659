import { decideExchange, listIssuers } from '@countersign/contracts';
import { InProcessBus } from '@countersign/messaging';
import { Logger } from '@countersign/platform';
import { PolicyServices, eventually, testdata, type PolicyService } from '../policy-service.fixture';

const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start();
  await service.apply(testdata('github.yaml'));
});

afterAll(() => services.stop());

const anotherBus = () => new InProcessBus(new Logger('test', 'silent'));
const issuersOf = ({ bus }: PolicyService) => bus.request(listIssuers, {});

describe('the snapshot', () => {
  it('is there after a start on a database that has documents', async () => {
    const replica = await services.startOn(service.databaseUrl, anotherBus());
    expect((await issuersOf(replica)).issuers.map(({ name }) => name)).toEqual(['token.actions.githubusercontent.com']);
    await replica.stop();
  });

  it('is followed by the other replicas of an apply', async () => {
    await services.startOn(service.databaseUrl, service.bus);
    const { revision } = (await service.apply(testdata('walkthrough.yaml'))).body;
    // Requests take turns between the two.
    const both = () => Promise.all([issuersOf(service), issuersOf(service)]);
    // Sooner than the poll would notice.
    await eventually(both, (answers) => answers.every((answer) => answer.revision === revision), 5_000);
    expect((await both()).map(({ issuers }) => issuers.length)).toEqual([2, 2]);
  });

  it('leaves out a stored document that is not valid, and decides with the rest', async () => {
    const other = await services.start();
    await other.apply(testdata('github.yaml'));
    await other.sql(`INSERT INTO policy.document (kind, name, api_version, owner, raw, etag, revision) VALUES
      ('Role', 'broken', 'countersign.dev/v1', 'api', '{"kind":"Role","spec":{"condition":{"StringLke":{}}}}', '"x"', 1),
      ('Policy', 'garbage', 'countersign.dev/v1', 'api', '7', '"y"', 1)`);
    const replica = await services.startOn(other.databaseUrl, anotherBus());
    expect((await replica.call('/health/ready')).status).toBe(200);
    const claims = {
      iss: 'https://token.actions.githubusercontent.com',
      sub: 'repo:acme/web:ref:refs/heads/main',
      repository_owner: 'acme',
    };
    const decision = await replica.bus.request(decideExchange, {
      issuer: 'token.actions.githubusercontent.com',
      claims,
      audiences: [],
      roles: null,
      policies: null,
      sourceIp: null,
      now: 1_800_000_000,
    });
    expect(decision).toMatchObject({ effect: 'Allow', roles: ['dev-actions-deployer'] });
    const { status } = await replica.apply(testdata('walkthrough.yaml'));
    expect(status).toBe(200);
  });

  it('refuses decisions and readiness once nothing has confirmed it for five minutes', async () => {
    const replica = await services.startOn(service.databaseUrl, anotherBus());
    replica.clock.advance(5 * 60_000);
    await expect(issuersOf(replica)).resolves.toBeDefined();
    replica.clock.advance(1);
    await expect(issuersOf(replica)).rejects.toThrow('unavailable');
    expect((await replica.call('/health/ready')).status).toBe(503);
    const question = { subject: { type: 'user', id: 'a' }, action: { name: 'x' }, resource: { type: 'y', id: 'z' } };
    const answer = await replica.call('/access/v1/evaluation', { method: 'POST', body: question });
    expect(answer).toMatchObject({ status: 503, body: { type: 'https://countersign.dev/problems/unavailable' } });
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
