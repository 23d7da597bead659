import { PolicyServices, type PolicyService } from '../policy-service.fixture';

const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start({ documents: `${issuer}---${role('refs/heads/main')}---${policy}` });
});

afterAll(() => services.stop());

const iss = 'https://token.actions.githubusercontent.com';

const document = (kind: string, name: string, spec: string): string =>
  `\napiVersion: countersign.dev/v1\nkind: ${kind}\nmetadata: { name: ${name} }\nspec: ${spec}\n`;

const issuer = document('JwtIssuer', 'github', `{ iss: ${iss}, aud: [https://sts.example] }`);
const policy = document(
  'Policy',
  'p',
  '{ statement: [{ effect: Allow, action: ["Function:*"], resource: ["dev:*"] }] }',
);
const role = (ref: string): string =>
  document(
    'Role',
    'deploy',
    `{ policy: [p], condition: { StringEqual: { jwt:iss: ${iss}, jwt:repository_id: '7', jwt:repository_owner_id: '8' },
       StringLike: { jwt:ref: '${ref}' } } }`,
  );

const policyTest = (cases: string, name = 'deploys'): string =>
  document(
    'PolicyTest',
    name,
    `{ claims: { iss: ${iss}, sub: 'repo:acme/shop:ref:refs/heads/main', repository_id: '7', repository_owner_id: '8',
       ref: refs/heads/main }, cases: [${cases}] }`,
  );

const main = '{ name: main, expect: { outcome: granted, roles: [deploy] } }';
const dev = '{ name: dev, change: { ref: refs/heads/dev }, expect: { outcome: denied, reason: no_matching_role } }';
const wrong = '{ name: dev may, change: { ref: refs/heads/dev }, expect: { outcome: granted } }';

const run = (yaml: string, query = '') =>
  service.call(`/v1/test${query}`, { method: 'POST', body: yaml, type: 'application/yaml' });

const revision = async (): Promise<unknown> => (await service.call('/v1/revisions')).body.items[0].revision as unknown;

describe('POST /v1/test', () => {
  it('runs the tests against the stored documents', async () => {
    const { status, body } = await run(policyTest(`${main}, ${dev}`));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      revision: 1,
      passed: true,
      summary: { cases: 2, passed: 2, failed: 0, neighbours: null },
      cases: [
        {
          test: 'deploys',
          name: 'main',
          passed: true,
          actual: { outcome: 'granted', issuer: 'github', roles: ['deploy'] },
        },
        { test: 'deploys', name: 'dev', passed: true, actual: { outcome: 'denied', reason: 'no_matching_role' } },
      ],
    });
  });

  it('says what came out otherwise', async () => {
    const { body } = await run(policyTest(wrong));
    const message = 'expected granted, was denied (no_matching_role: no role matches these claims)';
    expect(body).toMatchObject({
      passed: false,
      summary: { failed: 1 },
      cases: [{ passed: false, mismatches: [{ member: 'outcome', message }], neighbours: null }],
    });
  });

  it('lays the given documents over the stored ones, and stores nothing', async () => {
    const before = await revision();
    expect((await run(`${role('refs/heads/*')}---${policyTest(wrong)}`)).body.passed).toBe(true);
    expect((await run(policyTest(wrong))).body.passed).toBe(false);
    expect(await revision()).toBe(before);
    expect((await service.call('/v1/resources')).body.items).toHaveLength(3);
  });

  it('uses the given documents alone when asked to', async () => {
    const { body } = await run(`${issuer}---${policyTest(main)}`, '?onlyGiven=true');
    expect(body).toMatchObject({ passed: false, cases: [{ actual: { outcome: 'denied' } }] });
  });

  it('scores near misses, and names those that slip through', async () => {
    const strict = (await run(policyTest(main), '?neighbours=true')).body;
    expect(strict.cases[0].neighbours).toMatchObject({ slipped: [] });
    expect(strict.summary.neighbours.refused).toBe(strict.summary.neighbours.total);
    const loose = (await run(`${role('refs/heads/main*')}---${policyTest(main)}`, '?neighbours=true')).body;
    expect(loose.passed).toBe(true);
    expect(loose.cases[0].neighbours.slipped).toEqual([
      { claim: 'ref', from: 'refs/heads/main', to: 'refs/heads/main2', roles: ['deploy'] },
    ]);
  });

  it.each<[string, string, number, object]>([
    ['no test', policy, 422, { detail: 'There is no PolicyTest in the body.' }],
    [
      'a test that is not valid',
      policyTest('{ name: x }'),
      422,
      {
        errors: [{ document: 0, kind: 'PolicyTest', name: 'deploys', path: '/spec/cases/0/expect', code: 'required' }],
      },
    ],
    [
      'a document that is not valid, by its place in the request',
      `${policyTest(main)}---${document('Role', 'r', '{}')}`,
      422,
      { errors: [{ document: 1, kind: 'Role' }, { document: 1 }].slice(0, 1) },
    ],
    ['what is not YAML', '[', 400, {}],
  ])('refuses %s', async (_, yaml, status, problem) => {
    const answer = await run(yaml);
    expect(answer.status).toBe(status);
    const { errors, ...rest } = problem as { errors?: object[] };
    expect(answer.body).toMatchObject(rest);
    if (errors) expect(answer.body.errors[0]).toMatchObject(errors[0] ?? {});
  });

  it.each([
    ['neighbours=maybe', 422],
    ['onlyGiven=1', 422],
  ])('refuses ?%s', async (query, status) => {
    expect((await run(policyTest(main), `?${query}`)).status).toBe(status);
  });

  it('needs Iam:Read', async () => {
    const call = { method: 'POST', body: policyTest(main), type: 'application/yaml' };
    expect((await service.call('/v1/test', { ...call, token: null })).status).toBe(401);
    expect((await service.call('/v1/test', { ...call, token: await service.token() })).status).toBe(403);
  });
});

describe('PolicyTests among the documents of an apply', () => {
  const applied = async (): Promise<string[]> =>
    ((await service.call('/v1/resources')).body.items as { kind: string }[]).map(({ kind }) => kind).sort();

  it('are named, and neither run nor stored', async () => {
    const { status, body } = await service.apply(`${policy}---${policyTest(wrong)}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ results: [{ kind: 'Policy', name: 'p', action: 'unchanged' }] });
    expect(body.tests).toEqual([{ name: 'deploys', action: 'not_run', cases: 1 }]);
    expect(await applied()).toEqual(['JwtIssuer', 'Policy', 'Role']);
  });

  it.each(['', '&dryRun=true'])('refuse, when required, what they say is wrong (%s)', async (more) => {
    const before = await revision();
    const { status, body } = await service.apply(
      `${role('refs/heads/*')}---${policyTest(`${main}, ${dev}`)}`,
      `?test=require${more}`,
    );
    expect(status).toBe(422);
    expect(body).toMatchObject({
      type: 'https://countersign.dev/problems/tests-failed',
      detail: '1 case failed',
      errors: [
        {
          document: 1,
          kind: 'PolicyTest',
          name: 'deploys',
          path: '/spec/cases/1/expect/outcome',
          code: 'test_failed',
          message: 'dev: expected denied, was granted (roles deploy)',
        },
      ],
    });
    expect(await revision()).toBe(before);
  });

  it('see the documents as they will be, deleted ones gone', async () => {
    const other = document('Policy', 'q', '{ statement: [{ effect: Allow, action: ["*"], resource: ["*"] }] }');
    const nobody = '{ name: nobody, expect: { outcome: denied } }';
    const query = '?prune=true&test=require';
    const { status, body } = await service.apply(`${issuer}---${other}---${policyTest(nobody)}`, query);
    expect([status, body.tests]).toEqual([200, [{ name: 'deploys', action: 'passed', cases: 1 }]]);
    expect(await applied()).toEqual(['JwtIssuer', 'Policy']);
  });

  it('do not shift the places of the documents beside them', async () => {
    service.discovery.problems.push({
      name: 'ci',
      gravity: 'unusable',
      code: 'unreachable',
      path: '/spec/iss',
      message: 'nobody is there',
      fix: 'Look.',
    });
    const ci = document('JwtIssuer', 'ci', '{ iss: https://ci.example.com, aud: [https://sts.example] }');
    const { status, body } = await service.apply(`${policyTest(dev)}---${ci}`, '?check=require');
    expect([status, body.errors]).toMatchObject([422, [{ document: 1, kind: 'JwtIssuer', name: 'ci' }]]);
  });

  it('are refused when they are not valid, required or not', async () => {
    const { status, body } = await service.apply(`${policy}---${policyTest('')}`);
    expect([status, body.errors[0].path]).toEqual([422, '/spec/cases']);
  });

  it('cannot be stored one by one', async () => {
    const put = { method: 'PUT', body: policyTest(main), type: 'application/yaml' };
    const { status, body } = await service.call('/v1/resources/PolicyTest/deploys', put);
    expect([status, body.errors]).toMatchObject([422, [{ path: '/kind', code: 'not_stored' }]]);
  });
});
