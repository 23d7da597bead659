import { listIssuers, type ApplyAnswer, type IssuerProblem } from '@countersign/contracts';
import { parseAllDocuments } from 'yaml';
import { PolicyServices, anotherBus, PUBLIC_URL, testdata, type PolicyService } from '../policy-service.fixture';
import { written, writtenPolicy as policy } from './written.fixture';

const services = new PolicyServices();
const walkthrough = testdata('walkthrough.yaml');
let service: PolicyService;

beforeAll(async () => {
  service = await services.start();
});

afterAll(() => services.stop());

beforeEach(() => service.empty());

const issuer = (name: string, iss: string): object => written('JwtIssuer', name, { iss, aud: ['ci'] });

const role = (name: string, policies: string[]): object =>
  written('Role', name, { policy: policies, condition: { StringEqual: { 'jwt:iss': ['https://ci.example'] } } });

const problem = (gravity: IssuerProblem['gravity']): IssuerProblem => ({
  name: 'keycloak.example.com',
  gravity,
  code: `${gravity}_code`,
  path: '/spec/iss',
  message: 'm',
  fix: 'Do.',
});

const post = (body: object, query = '') => service.call(`/v1/apply${query}`, { method: 'POST', body });
const put = (path: string, body: object, headers: Record<string, string> = {}) =>
  service.call(`/v1/resources/${path}`, { method: 'PUT', body, headers });
const remove = (path: string, headers: Record<string, string> = {}) =>
  service.call(`/v1/resources/${path}`, { method: 'DELETE', headers });
const actions = ({ body }: { body: ApplyAnswer }) => body.results.map(({ action }) => action);
const stored = async (): Promise<number> => (await service.call('/v1/resources')).body.items.length as number;
const revision = async (): Promise<unknown> => (await service.call('/v1/revisions')).body.items[0]?.revision ?? 0;

describe('POST /v1/apply', () => {
  it.each(['walkthrough.yaml', 'github.yaml'])('applies %s unchanged, and keeps it as it was given', async (file) => {
    const answer = await service.apply(testdata(file));
    expect(answer).toMatchObject({ status: 200, body: { revision: 1, dryRun: false } });
    expect(answer.body.findings.filter(({ severity }: { severity: string }) => severity === 'error')).toEqual([]);
    expect(actions(answer)).toEqual(['created', 'created', 'created']);
    const given = parseAllDocuments(testdata(file)).map((document) => document.toJS() as object);
    const { items } = (await service.call('/v1/resources')).body;
    expect(items).toHaveLength(3);
    expect(items).toEqual(expect.arrayContaining(given));
  });

  it('makes no revision and no event of documents that are there already', async () => {
    await service.apply(walkthrough);
    const again = await service.apply(walkthrough);
    expect(again.body).toMatchObject({ revision: 1, findings: [] });
    expect(actions(again)).toEqual(['unchanged', 'unchanged', 'unchanged']);
    expect(await service.events()).toHaveLength(1);
    expect(service.discovery.asked).toHaveLength(1);
  });

  it('takes the order of fields for no change', async () => {
    await post(policy('p'));
    const reordered = Object.fromEntries(Object.entries(policy('p')).reverse());
    expect(actions(await post(reordered))).toEqual(['unchanged']);
  });

  it.each([
    ['text/yaml', walkthrough],
    ['text/plain', walkthrough],
    ['application/x-yaml', walkthrough],
    ['application/json', JSON.stringify([policy('a'), policy('b'), policy('c')])],
  ])('reads %s', async (type, body) => {
    const answer = await service.call('/v1/apply', { method: 'POST', body, type });
    expect(actions(answer)).toHaveLength(3);
  });

  it('applies nothing and reports every error when one document is wrong', async () => {
    const answer = await post([
      policy('fine'),
      { ...role('deploy', ['fine']), spec: { ...(role('deploy', ['fine']) as { spec: object }).spec, polcy: ['x'] } },
      role('lost', ['nowhere']),
      { ...policy('odd'), kind: 'Polcy' },
      policy('fine'),
      issuer('us', PUBLIC_URL),
      7,
    ]);
    expect(answer.status).toBe(422);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({
      type: 'https://countersign.dev/problems/invalid-document',
      detail: '6 errors',
    });
    expect(answer.body.errors).toMatchObject([
      { document: 1, kind: 'Role', name: 'deploy', path: '/spec/polcy', code: 'unknown_field' },
      { document: 2, kind: 'Role', name: 'lost', path: '/spec/policy/0', code: 'missing_policy' },
      { document: 3, kind: 'Polcy', name: 'odd', path: '/kind' },
      { document: 4, kind: 'Policy', name: 'fine', path: '/metadata/name', code: 'duplicate_document' },
      { document: 5, kind: 'JwtIssuer', name: 'us', path: '/spec/iss', code: 'own_issuer' },
      { document: 6, kind: null, name: null, path: '' },
    ]);
    expect(await stored()).toBe(0);
    expect(await revision()).toBe(0);
    expect(await service.events()).toEqual([]);
  });

  it('does not blame a role for a policy of the same request that is wrong', async () => {
    const wrong = { ...policy('p'), spec: { statement: [] } };
    const { body } = await post([wrong, role('r', ['p'])]);
    expect(body.errors.map(({ document }: { document: number }) => document)).toEqual([0]);
  });

  it('refuses two issuers with one iss in a request, and one that is stored under another name', async () => {
    const both = await post([issuer('one', 'https://ci.example'), issuer('two', 'https://ci.example')]);
    expect(both).toMatchObject({
      status: 422,
      body: { errors: [{ document: 1, path: '/spec/iss', code: 'duplicate_issuer' }] },
    });
    await post(issuer('one', 'https://ci.example'));
    const later = await post([policy('p'), issuer('two', 'https://ci.example')]);
    expect(later).toMatchObject({ status: 409, body: { errors: [{ document: 1, path: '/spec/iss' }] } });
    expect(await stored()).toBe(1);
  });

  it('refuses to overwrite a document of the same name from another namespace', async () => {
    await service.apply(walkthrough);
    const { status, body } = await service.apply(walkthrough.replaceAll('namespace: openfaas', 'namespace: other'));
    expect(status).toBe(409);
    expect(body.errors[0]).toMatchObject({ path: '/metadata/namespace', code: 'namespace_conflict' });
  });

  it.each([
    ['malformed YAML', 'application/yaml', 'a: [1\nb', 400],
    ['malformed JSON', 'application/json', '{"a":', 400],
    ['JSON that reaches for a prototype', 'application/json', '{"__proto__":{"a":1}}', 400],
    ['a form', 'application/x-www-form-urlencoded', 'a: 1', 415],
    ['a type that nobody reads', 'application/xml', '<a/>', 415],
    ['text that is no document', 'application/yaml', 'hello', 422],
    ['a body over the limit', 'application/yaml', `a: ${'x'.repeat(1_100_000)}`, 413],
  ])('refuses %s', async (_, type, body, status) => {
    const answer = await service.call('/v1/apply', { method: 'POST', body, type });
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ status, detail: expect.any(String), traceId: expect.any(String) });
  });

  it('says where malformed YAML is malformed', async () => {
    expect((await service.apply('a: 1\nb: [2\nc')).body.detail).toMatch(/line \d+, column \d+: /);
  });

  it.each(['?dryRun=maybe', '?dryrun=true', '?check=sometimes', '?prune=1'])(
    'refuses the parameter %s',
    async (query) => {
      expect((await post(policy('p'), query)).status).toBe(422);
    },
  );

  it('says with dryRun what it would do, and does not do it', async () => {
    await post([policy('stays'), policy('goes')]);
    const answer = await post([policy('stays', 'Other:Read'), policy('new')], '?dryRun=true&prune=true');
    expect(answer.body).toMatchObject({ revision: 1, dryRun: true });
    expect(actions(answer)).toEqual(['updated', 'created', 'deleted']);
    expect(await stored()).toBe(2);
    expect(await revision()).toBe(1);
  });

  it('deletes with prune what the request does not name', async () => {
    await post([policy('stays'), policy('goes')]);
    expect(actions(await post(policy('stays'), '?prune=true'))).toEqual(['unchanged', 'deleted']);
    expect(await stored()).toBe(1);
  });

  it('refuses to prune what a remaining document needs', async () => {
    await post([policy('p'), role('r', ['p'])]);
    await service.handOver('r', 'directory');
    const answer = await post(policy('other'), '?prune=true');
    expect(answer).toMatchObject({ status: 409, body: { detail: expect.stringContaining('Role/r /spec/policy/0') } });
  });

  it('lets concurrent applies through one after the other, each with a revision of its own', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => post(policy(`p${n}`))));
    expect(answers.map(({ body }) => body.revision as number).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const same = await Promise.all(Array.from({ length: 4 }, () => post(policy('same'))));
    expect(same.flatMap(actions).sort()).toEqual(['created', 'unchanged', 'unchanged', 'unchanged']);
    expect(await stored()).toBe(9);
  });

  it('changes nothing when the audit event is not acknowledged', async () => {
    await service.sql('ALTER TABLE embedded.stream_event RENAME TO gone');
    const answer = await post(policy('p'));
    await service.sql('ALTER TABLE embedded.gone RENAME TO stream_event');
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).not.toBeNull();
    expect(await stored()).toBe(0);
    expect(await revision()).toBe(0);
    expect((await post(policy('p'))).status).toBe(200);
  });

  it('records who changed what, with hashes before and after, and no content', async () => {
    await post([policy('p'), policy('q')]);
    const token = await service.token({ policy: ['writer'] });
    await post({ ...policy('writer'), spec: { statement: [{ effect: 'Allow', action: 'Iam:*', resource: '*' }] } });
    await service.call('/v1/apply?prune=true', {
      method: 'POST',
      body: [policy('p', 'Other:Read'), policy('writer')],
      token,
    });
    const event = (await service.events()).at(-1);
    expect(event).toMatchObject({
      type: 'dev.countersign.policy.applied.v1',
      source: PUBLIC_URL,
      subject: 'revision/3',
      data: { revision: 3, author: 'keycloak:alice', source: 'api', summary: { created: 0, updated: 2, deleted: 1 } },
    });
    const [changed, , deleted] = event?.data['documents'] as { before: string; after: string }[];
    expect(changed).toMatchObject({ kind: 'Policy', name: 'p', action: 'updated' });
    expect(changed?.before).not.toBe(changed?.after);
    expect(deleted).toMatchObject({ name: 'q', action: 'deleted', after: null });
    expect(JSON.stringify(event)).not.toContain('Other:Read');
  });

  it('makes a finding of what discovery says is wrong, and asks only about new and changed issuers', async () => {
    service.discovery.problems = [problem('unusable'), problem('partial')];
    const { status, body } = await service.apply(walkthrough);
    expect(status).toBe(200);
    const resource = { kind: 'JwtIssuer', name: 'keycloak.example.com' };
    expect(body.findings).toEqual([
      { rule: 'unusable_code', severity: 'warning', resource, path: '/spec/iss', message: 'm', admits: [], fix: 'Do.' },
      { rule: 'partial_code', severity: 'warning', resource, path: '/spec/iss', message: 'm', admits: [], fix: 'Do.' },
    ]);
    await post(policy('p'));
    await service.apply(walkthrough);
    expect(service.discovery.asked).toHaveLength(1);
  });

  it.each(['', '?check=require', '?dryRun=true'])('refuses with "%s" a URL that is never called', async (query) => {
    service.discovery.problems = [problem('refused')];
    const errors = [{ document: 0, path: '/spec/iss', code: 'refused_code', message: 'm. Do.' }];
    expect(await service.apply(walkthrough, query)).toMatchObject({ status: 422, body: { detail: '1 error', errors } });
    const [document] = parseAllDocuments(walkthrough).map((one) => one.toJS() as { metadata: { name: string } });
    const put1 = await put(`JwtIssuer/${document?.metadata.name}`, document as object);
    expect(put1).toMatchObject({ status: 422, body: { errors } });
    expect(await stored()).toBe(0);
  });

  it('makes a finding of it, too, when discovery does not answer', async () => {
    service.discovery.answers = false;
    const { status, body } = await service.apply(walkthrough);
    expect(status).toBe(200);
    expect(body.findings).toMatchObject([{ rule: 'issuer_unreachable', severity: 'warning' }]);
  });

  it('refuses with check=require what cannot be used or checked, but not what is wrong in part', async () => {
    service.discovery.problems = [problem('unusable'), problem('partial')];
    for (const query of ['?check=require', '?check=require&dryRun=true']) {
      const { status, body } = await service.apply(walkthrough, query);
      expect(status).toBe(422);
      expect(body.errors).toEqual([
        {
          document: 0,
          kind: 'JwtIssuer',
          name: 'keycloak.example.com',
          path: '/spec/iss',
          code: 'unusable_code',
          message: 'm. Do.',
        },
      ]);
    }
    service.discovery.answers = false;
    expect((await service.apply(walkthrough, '?check=require')).status).toBe(503);
    expect(await stored()).toBe(0);
    service.discovery.answers = true;
    service.discovery.problems = [problem('partial')];
    const passed = await service.apply(walkthrough, '?check=require');
    expect(passed).toMatchObject({ status: 200, body: { findings: [{ rule: 'partial_code' }] } });
  });

  it('asks nothing about a disabled issuer', async () => {
    const disabled = {
      ...issuer('ci', 'https://ci.example'),
      spec: { iss: 'https://ci.example', aud: 'ci', disabled: true },
    };
    expect((await post(disabled, '?check=require')).status).toBe(200);
    expect(service.discovery.asked).toEqual([]);
  });

  it('answers discovery from the revision that was announced, though it did not hear of it itself', async () => {
    const deaf = anotherBus();
    await services.startOn(service.databaseUrl, deaf);
    const { body } = await post(issuer('ci', 'https://ci.example'));
    const answer = await deaf.request(listIssuers, { atLeast: body.revision as number });
    expect(answer).toMatchObject({ revision: body.revision, issuers: [{ name: 'ci' }] });
  });
});

describe('/v1/resources', () => {
  it('creates with 201, replaces with 200, answers both with the ETag of GET', async () => {
    const created = await put('Policy/p', policy('p'));
    expect(created).toMatchObject({ status: 201, body: policy('p') });
    const replaced = await put('Policy/p', policy('p', 'Other:Read'));
    expect(replaced.status).toBe(200);
    expect(replaced.headers.get('etag')).not.toBe(created.headers.get('etag'));
    const read = await service.call('/v1/resources/Policy/p');
    expect(read).toMatchObject({ status: 200, body: policy('p', 'Other:Read') });
    expect(read.headers.get('etag')).toBe(replaced.headers.get('etag'));
  });

  it('takes YAML for PUT as well', async () => {
    const yaml = JSON.stringify(policy('p'));
    const answer = await service.call('/v1/resources/Policy/p', {
      method: 'PUT',
      body: yaml,
      type: 'application/yaml',
    });
    expect(answer.status).toBe(201);
  });

  it('holds PUT and DELETE to If-Match and If-None-Match', async () => {
    expect((await put('Policy/p', policy('p'), { 'if-match': '"other"' })).status).toBe(412);
    const etag = (await put('Policy/p', policy('p'), { 'if-none-match': '*' })).headers.get('etag') ?? '';
    expect((await put('Policy/p', policy('p'), { 'if-none-match': '*' })).status).toBe(412);
    expect((await put('Policy/p', policy('p', 'A:B'), { 'if-match': `"x", ${etag}` })).status).toBe(200);
    expect((await put('Policy/p', policy('p'), { 'if-match': etag })).status).toBe(412);
    expect((await remove('Policy/p', { 'if-match': etag })).status).toBe(412);
    expect((await remove('Policy/p', { 'if-match': '*' })).status).toBe(204);
    expect((await remove('Policy/p')).status).toBe(404);
  });

  it('lets one of two replace the same state, not both', async () => {
    const etag = (await put('Policy/p', policy('p'))).headers.get('etag') ?? '';
    const answers = await Promise.all(
      ['A:B', 'C:D'].map((action) => put('Policy/p', policy('p', action), { 'if-match': etag })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
  });

  it.each([
    ['another name', 'Policy/p', policy('q'), '/metadata/name'],
    ['another kind', 'Role/p', policy('p'), '/kind'],
  ])('refuses a body of %s than the path', async (_, path, body, pointer) => {
    expect(await put(path, body)).toMatchObject({ status: 422, body: { errors: [{ path: pointer }] } });
  });

  it('refuses more than one document', async () => {
    expect((await put('Policy/p', [policy('p'), policy('q')])).status).toBe(422);
  });

  it('does not delete a policy that a role names', async () => {
    await post([policy('p'), role('r', ['p'])]);
    expect((await remove('Policy/p')).status).toBe(409);
    expect((await remove('Role/r')).status).toBe(204);
    expect((await remove('Policy/p')).status).toBe(204);
  });

  it('gives a re-created document another id', async () => {
    const id = async () => (await service.database.query<{ id: string }>('SELECT id FROM policy.document'))[0]?.id;
    await put('Policy/p', policy('p'));
    const first = await id();
    await put('Policy/p', policy('p', 'A:B'));
    expect(await id()).toBe(first);
    await remove('Policy/p');
    await put('Policy/p', policy('p'));
    expect(await id()).not.toBe(first);
  });

  it('pages through all documents, each once', async () => {
    const given = [policy('a'), policy('b'), policy('c'), role('r', ['a']), issuer('i', 'https://ci.example')];
    await post(given);
    const seen: object[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = await service.call(`/v1/resources?limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...(body.items as object[]));
      cursor = body.nextCursor as string | null;
    }
    expect(seen).toHaveLength(5);
    expect(seen).toEqual(expect.arrayContaining(given));
    expect((await service.call('/v1/resources?kind=Role')).body.items).toEqual([role('r', ['a'])]);
  });

  const forged = Buffer.from('{"kind":"1 or 1=1"}').toString('base64url');
  it.each([`cursor=${forged}`, 'cursor=%00', 'limit=0', 'limit=501', 'kind=Secret', 'kind=%27%20OR%201=1'])(
    'refuses the parameter %s',
    async (query) => {
      expect((await service.call(`/v1/resources?${query}`)).status).toBe(422);
    },
  );

  it.each(['Policy/nowhere', 'Secret/p', 'Policy/..%2Fp'])('knows no %s', async (path) => {
    expect((await service.call(`/v1/resources/${path}`)).status).toBe(404);
  });
});

describe('/v1/revisions', () => {
  it('tells newest first who changed how much, and of one revision the documents before and after', async () => {
    await post([policy('p'), policy('q')]);
    await post(policy('p', 'A:B'), '?prune=true');
    const { body } = await service.call('/v1/revisions');
    const common = { author: 'bootstrap', source: 'api', restoredFrom: null, createdAt: expect.stringMatching(/Z$/) };
    expect(body).toEqual({
      items: [
        { ...common, revision: 2, summary: { created: 0, updated: 1, deleted: 1 } },
        { ...common, revision: 1, summary: { created: 2, updated: 0, deleted: 0 } },
      ],
      nextCursor: null,
    });
    const one = await service.call('/v1/revisions/2');
    expect(one.body).toEqual({
      ...body.items[0],
      diff: [
        { kind: 'Policy', name: 'p', action: 'updated', owner: 'api', before: policy('p'), after: policy('p', 'A:B') },
        { kind: 'Policy', name: 'q', action: 'deleted', owner: 'api', before: policy('q'), after: null },
      ],
    });
  });

  it('pages', async () => {
    for (const name of ['a', 'b', 'c']) await post(policy(name));
    const first = await service.call('/v1/revisions?limit=2');
    const second = await service.call(`/v1/revisions?limit=2&cursor=${first.body.nextCursor}`);
    const numbers = [...first.body.items, ...second.body.items].map(({ revision: number }) => number as number);
    expect(numbers).toEqual([3, 2, 1]);
    expect(second.body.nextCursor).toBeNull();
  });

  it.each(['99', '0', '-1', 'x', '1e9', '99999999999'])('knows no revision %s', async (number) => {
    expect((await service.call(`/v1/revisions/${number}`)).status).toBe(404);
  });
});

describe('access', () => {
  const routes = [
    ['POST', '/v1/apply', 'Iam:Write'],
    ['PUT', '/v1/resources/Policy/p', 'Iam:Write'],
    ['DELETE', '/v1/resources/Policy/p', 'Iam:Write'],
    ['GET', '/v1/resources', 'Iam:Read'],
    ['GET', '/v1/resources/Policy/p', 'Iam:Read'],
    ['GET', '/v1/revisions', 'Iam:Read'],
    ['GET', '/v1/revisions/1', 'Iam:Read'],
    ['POST', '/access/v1/evaluation', 'Decision:Evaluate'],
    ['POST', '/access/v1/evaluations', 'Decision:Evaluate'],
  ];

  it.each(routes)('%s %s wants credentials and %s', async (method, path, action) => {
    const none = await service.call(path, { method, token: null });
    expect(none.status).toBe(401);
    expect(none.headers.get('www-authenticate')).toBe('Bearer');
    const wrong = await service.call(path, { method, token: 'b'.repeat(32) });
    expect(wrong.headers.get('www-authenticate')).toContain('invalid_token');
    const little = await service.call(path, { method, token: await service.token({ policy: ['nothing'] }) });
    expect(little.status).toBe(403);
    expect(little.headers.get('www-authenticate')).toContain(`scope="${action}"`);
  });

  it('lets a viewer read and not write', async () => {
    await service.apply(testdata('access.yaml'));
    const token = await service.token({ policy: ['viewer'] });
    expect((await service.call('/v1/resources', { token })).status).toBe(200);
    expect((await service.call('/v1/resources/Policy/viewer', { method: 'DELETE', token })).status).toBe(403);
    expect((await service.call('/v1/apply', { method: 'POST', body: policy('p'), token })).status).toBe(403);
  });
});
