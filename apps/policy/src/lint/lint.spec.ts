import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { written } from '../documents/written.fixture';
import { PolicyServices, eventually, testdata, type Answer, type PolicyService } from '../policy-service.fixture';

const github = 'https://token.actions.githubusercontent.com';
const rulesOf = ({ body }: Answer): string[] =>
  body.findings.map(({ rule, severity }: { rule: string; severity: string }) => `${rule} ${severity}`);

const issuer = written('JwtIssuer', 'github', { iss: github, aud: 'sts' });
const policy = written('Policy', 'p', {
  statement: [{ sid: 's', effect: 'Allow', action: ['Deploy:Create'], resource: ['shop:*'] }],
});
const role = (subject: string, more: object = {}, annotations?: object): object => {
  const condition = { StringEqual: { 'jwt:iss': github }, StringLike: { 'jwt:sub': subject } };
  return written('Role', 'r', { policy: 'p', condition, ...more }, annotations);
};
const open = role('repo:acme*');
const good = role('repo:acme@1/web@2:ref:*');

const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start();
}, 120_000);

afterAll(() => services.stop());

beforeEach(async () => {
  expect(await post('apply', [issuer, policy, good], '?prune=true')).toMatchObject({ status: 200 });
});

const post = (path: string, body: object | string | undefined, query = ''): Promise<Answer> =>
  service.call(`/v1/${path}${query}`, { method: 'POST', ...(body === undefined ? {} : { body }) });
const put = (document: object, query = ''): Promise<Answer> =>
  service.call(`/v1/resources/Role/r${query}`, { method: 'PUT', body: document });
const lastAllowed = async (): Promise<unknown> =>
  ((await service.events()).at(-1)?.data as { allowed: unknown }).allowed;

describe('POST /v1/lint', () => {
  it('says what a document admits, seen with the stored ones, and stores nothing', async () => {
    const answer = await post('lint', open);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        findings: expect.arrayContaining([
          {
            rule: 'CS003',
            severity: 'error',
            resource: { kind: 'Role', name: 'r' },
            path: '/spec/condition/StringLike/jwt:sub/0',
            message: expect.any(String),
            admits: ['repo:acme-evil/x:ref:refs/heads/main'],
            fix: expect.any(String),
          },
        ]),
      },
    });
    expect((await service.call('/v1/resources/Role/r')).body).toEqual(good);
  });

  it('finds what every job of a shared issuer could use, which an apply refuses', async () => {
    const answer = await post('lint', role('repo:*'));
    expect({ status: answer.status, rules: rulesOf(answer) }).toEqual({
      status: 200,
      rules: ['CS002 error', 'CS013 info'],
    });
  });

  it('speaks of the given documents only', async () => {
    await post('apply', open, '?allow=CS003');
    expect(rulesOf(await post('lint', policy))).toEqual([]);
  });

  it('takes YAML, and without a body all that is stored', async () => {
    await post('apply', open, '?allow=CS003');
    expect(rulesOf(await post('lint', undefined))).toContain('CS003 error');
    const yaml = await service.call('/v1/lint', {
      method: 'POST',
      body: testdata('walkthrough.yaml'),
      type: 'application/yaml',
    });
    expect({ status: yaml.status, rules: rulesOf(yaml) }).toEqual({ status: 200, rules: [] });
  });

  it('POL-31: names what is stored and is not valid, and speaks of the rest', async () => {
    await post('apply', open, '?allow=CS003');
    await service.sql(`INSERT INTO policy.document (kind, name, api_version, owner, raw, etag, revision)
      SELECT 'Role', 'broken', 'countersign.dev/v1', 'api', '{"kind":"Role"}', '"x"', max(number) + 1 FROM policy.revision`);
    const { findings } = (await post('lint', undefined)).body;
    expect(findings).toContainEqual(
      expect.objectContaining({
        rule: 'stored_invalid',
        severity: 'error',
        resource: { kind: 'Role', name: 'broken' },
      }),
    );
    expect(findings).toContainEqual(expect.objectContaining({ rule: 'CS003' }));
  });

  it('says of issuers what an apply says without asking for their keys', async () => {
    const generic = { ...issuer, spec: { ...issuer.spec, aud: 'sts.amazonaws.com' } };
    expect(rulesOf(await post('lint', generic))).toEqual(['generic_audience warning']);
  });

  it.each<[string, object | string, string | undefined, number]>([
    ['a document that is not valid', { ...policy, spec: {} }, undefined, 422],
    ['text that is no YAML', '[', 'application/yaml', 400],
    ['a form', 'a=b', 'application/x-www-form-urlencoded', 415],
  ])('%s: %#', async (_, body, type, status) => {
    const answer = await service.call('/v1/lint', { method: 'POST', body, ...(type === undefined ? {} : { type }) });
    expect(answer.status).toBe(status);
  });

  it.each([
    [null, 401],
    ['Iam:Write', 403],
    ['Iam:Read', 200],
  ])('with %p answers %d', async (action, status) => {
    if (action !== null) await post('apply', { ...policy, metadata: { name: 'admins' }, spec: adminStatement(action) });
    const token = action === null ? null : await service.token({ policy: ['admins'] });
    const answer = await service.call('/v1/lint', { method: 'POST', body: policy, token });
    expect(answer.status).toBe(status);
  });
});

const adminStatement = (action: string): object => ({
  statement: [{ sid: 'a', effect: 'Allow', action: [action], resource: ['countersign:*'] }],
});

describe('an error of lint refuses', () => {
  const refusal = {
    status: 422,
    body: {
      type: 'https://countersign.dev/problems/lint-failed',
      detail: '1 error; if that is what you want, allow=CS003',
      errors: [
        {
          ...{ document: 1, kind: 'Role', name: 'r', code: 'CS003' },
          path: '/spec/condition/StringLike/jwt:sub/0',
          message: expect.stringContaining('repo:acme-evil/x'),
        },
      ],
      findings: expect.arrayContaining([expect.objectContaining({ rule: 'CS003' })]),
    },
  };

  it.each(['', '?dryRun=true', '?allow=CS002'])('an apply%s', async (query) => {
    const before = (await service.events()).length;
    expect(await post('apply', [policy, open], query)).toMatchObject(refusal);
    expect((await service.call('/v1/resources/Role/r')).body).toEqual(good);
    expect(await service.events()).toHaveLength(before);
  });

  it('a PUT', async () => {
    const [error] = refusal.body.errors;
    expect(await put(open)).toMatchObject({ status: 422, body: { errors: [{ ...error, document: 0 }] } });
    expect(await put(open, '?allow=CS003')).toMatchObject({ status: 200 });
    expect(await lastAllowed()).toEqual([
      { rule: 'CS003', kind: 'Role', name: 'r', path: '/spec/condition/StringLike/jwt:sub/0' },
    ]);
  });

  it('a restore, too, unless it is allowed', async () => {
    const { body } = await post('apply', open, '?allow=CS003');
    await post('apply', good);
    expect(await post(`revisions/${body.revision}/restore`, undefined)).toMatchObject({ status: 422 });
    expect(await post(`revisions/${body.revision}/restore`, undefined, '?allow=CS003')).toMatchObject({ status: 200 });
  });
});

describe('an error that is known and meant', () => {
  it.each(['?allow=CS003', '?allow=CS001,CS003', '?allow=CS001&allow=CS003'])(
    'is let pass by %s, reported, and recorded',
    async (query) => {
      const answer = await post('apply', open, query);
      expect(answer.status).toBe(200);
      expect(rulesOf(answer)).toContain('CS003 error');
      expect(await lastAllowed()).toEqual([expect.objectContaining({ rule: 'CS003', kind: 'Role', name: 'r' })]);
    },
  );

  it('may be named by the document itself', async () => {
    const answer = await post('apply', role('repo:acme*', {}, { 'countersign.dev/allow': 'CS002, CS003' }));
    expect(answer.status).toBe(200);
    expect(await lastAllowed()).toEqual([expect.objectContaining({ rule: 'CS003' })]);
    const { findings } = (await post('lint', undefined)).body;
    expect(findings).toContainEqual(expect.objectContaining({ rule: 'CS003', allowed: true }));
  });

  it('does not refuse again while the document stays as it is, and never something else', async () => {
    await post('apply', open, '?allow=CS003');
    const other = { ...policy, metadata: { name: 'other' } };
    expect(await post('apply', other)).toMatchObject({ status: 200, body: { findings: [] } });
    const again = await post('apply', [open, { ...policy, metadata: { name: 'another' } }]);
    expect(again.status).toBe(200);
    expect(rulesOf(again)).toContain('CS003 error');
    expect(await lastAllowed()).toEqual([]);
    expect(await post('apply', role('repo:acme*', { maxTokenExpiry: '5m' }))).toMatchObject({ status: 422 });
  });

  it.each([
    ['?allow=CS999', {}, 'invalid-parameter'],
    ['?allow=', { 'countersign.dev/allow': 'CS999' }, 'invalid-document'],
  ])('must be one that there is: %s %j', async (query, annotations, type) => {
    const answer = await post('apply', role('repo:acme*', {}, annotations), query);
    expect(answer).toMatchObject({ status: 422, body: { type: `https://countersign.dev/problems/${type}` } });
    expect(JSON.stringify(answer.body)).toContain('CS999');
  });
});

describe('the resources directory', () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-lint-'));
  const write = (document: object): void =>
    writeFileSync(join(folder, 'all.json'), JSON.stringify([issuer, policy, document]));

  afterAll(() => rmSync(folder, { recursive: true }));

  it('is refused for an error, and applied once the document itself allows it', async () => {
    write(open);
    const follower = await services.start({ environment: { COUNTERSIGN_RESOURCES_DIR: folder } });
    const state = async () => (await follower.health()).details['resourcesDirectory'];
    const refused = { state: 'refused', problems: [{ message: expect.stringContaining('CS003') }] };
    await eventually(state, (found) => (found as { state: string }).state === 'refused', 60_000);
    expect(await state()).toMatchObject(refused);
    write(role('repo:acme*', {}, { 'countersign.dev/allow': 'CS003' }));
    await eventually(state, (found) => (found as { state: string }).state === 'applied', 60_000);
    expect(await follower.call('/v1/resources/Role/r')).toMatchObject({ status: 200 });
  });
});
