import type { ApplyAnswer } from '@countersign/contracts';
import { PolicyServices, type PolicyService } from '../policy-service.fixture';
import { written, writtenPolicy as policy } from './written.fixture';

const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start();
});

afterAll(() => services.stop());

beforeEach(() => service.empty());

const issuer = (name: string): object => written('JwtIssuer', name, { iss: 'https://ci.example', aud: ['ci'] });

const post = (body: object, query = '') => service.call(`/v1/apply${query}`, { method: 'POST', body });
const restore = (revision: number | string, query = '', token?: string) =>
  service.call(`/v1/revisions/${revision}/restore${query}`, { method: 'POST', ...(token ? { token } : {}) });
const stored = async (): Promise<object[]> => (await service.call('/v1/resources')).body.items as object[];
const outcome = ({ body }: { body: ApplyAnswer }) => body.results.map(({ name, action }) => `${name} ${action}`).sort();
const ownedByDirectory = (name: string) => service.handOver(name, 'directory');

describe('POST /v1/revisions/{n}/restore', () => {
  it('creates, updates and deletes as one new revision, until all is as it was', async () => {
    const before = [policy('changed', 'A:B', { note: 'with \u0000 in it' }), policy('dropped'), policy('same')];
    await post(before);
    await post([policy('changed', 'C:D'), policy('same'), policy('added')], '?prune=true');
    await post([policy('added', 'E:F')]);
    const answer = await restore(1);
    expect(answer).toMatchObject({ status: 200, body: { revision: 4, dryRun: false, findings: [] } });
    expect(outcome(answer)).toEqual(['added deleted', 'changed updated', 'dropped created', 'same unchanged']);
    expect(await stored()).toEqual(before);
    const { body } = await service.call('/v1/revisions/4');
    expect(body).toMatchObject({
      author: 'bootstrap',
      source: 'api',
      restoredFrom: 1,
      summary: { created: 1, updated: 1, deleted: 1 },
    });
    expect((await service.events()).at(-1)).toMatchObject({ data: { revision: 4, restoredFrom: 1 } });
  });

  it('can be undone by another one, and changes nothing where nothing has changed', async () => {
    await post(policy('p'));
    await post(policy('p', 'A:B'));
    await restore(1);
    expect(await stored()).toEqual([policy('p')]);
    await restore(2);
    expect(await stored()).toEqual([policy('p', 'A:B')]);
    const again = await restore(2);
    expect(again).toMatchObject({ status: 200, body: { revision: 4 } });
    expect(outcome(again)).toEqual(['p unchanged']);
  });

  it('finds what was written many revisions before', async () => {
    await post(policy('first'));
    for (let n = 0; n < 45; n += 1) await post(policy('busy', `A:B${n}`));
    await service.call('/v1/resources/Policy/first', { method: 'DELETE' });
    expect(outcome(await restore(46))).toEqual(['busy unchanged', 'first created']);
  });

  it('says with dryRun what it would do, and does not do it', async () => {
    await post(policy('p'));
    await post(policy('q'));
    const answer = await restore(1, '?dryRun=true');
    expect(answer).toMatchObject({ status: 200, body: { revision: 2, dryRun: true } });
    expect(outcome(answer)).toEqual(['p unchanged', 'q deleted']);
    expect(await stored()).toHaveLength(2);
  });

  it('leaves alone what the directory owns, now or then', async () => {
    await post([policy('taken', 'A:B'), policy('mine', 'A:B')]);
    await post([policy('taken', 'C:D'), policy('mine', 'C:D')]);
    await ownedByDirectory('taken');
    expect(outcome(await restore(1))).toEqual(['mine updated']);
    expect(await stored()).toEqual([policy('mine', 'A:B'), policy('taken', 'C:D')]);
  });

  it('is checked like an apply: against what is stored, and with the keys of issuers', async () => {
    await post(issuer('old-name'));
    await service.call('/v1/resources/JwtIssuer/old-name', { method: 'DELETE' });
    service.discovery.problems = [
      { name: 'old-name', gravity: 'unusable', code: 'c', path: '/spec/iss', message: 'm', fix: 'Do.' },
    ];
    expect((await restore(1, '?check=require')).status).toBe(422);
    expect(await restore(1, '?dryRun=true')).toMatchObject({ status: 200, body: { findings: [{ rule: 'c' }] } });
    await post(issuer('new-name'));
    await ownedByDirectory('new-name');
    expect(await restore(1)).toMatchObject({ status: 409, body: { errors: [{ code: 'duplicate_issuer' }] } });
    expect(await stored()).toEqual([issuer('new-name')]);
  });

  it.each(['99', '0', '-1', 'x', '99999999999'])('knows no revision %s', async (number) => {
    expect((await restore(number)).status).toBe(404);
  });

  it('refuses parameters that it does not know the meaning of, and callers who may not write', async () => {
    await post(policy('p'));
    expect((await restore(1, '?dryRun=maybe')).status).toBe(422);
    const little = await restore(1, '', await service.token({ policy: ['nothing'] }));
    expect(little.status).toBe(403);
    expect(little.headers.get('www-authenticate')).toContain('scope="Iam:Write"');
  });
});
