import { authorizeAdmin, decideExchange, listIssuers, type DecideExchangeRequest } from '@countersign/contracts';
import { generateSigningKey, signAccessToken } from '@countersign/tokens';
import { PUBLIC_URL, PolicyServices, testdata, type PolicyService } from '../policy-service.fixture';

const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start();
  for (const file of ['walkthrough.yaml', 'github.yaml', 'access.yaml']) await service.apply(testdata(file));
});

afterAll(() => services.stop());

const post = (path: string, body: unknown, token?: string) =>
  service.call(path, { method: 'POST', body: body as object, ...(token === undefined ? {} : { token }) });
const ask = (body: unknown) => post('/access/v1/evaluation', body);
const askMany = (body: unknown) => post('/access/v1/evaluations', body);

const analyst = { type: 'user', id: 'ann', properties: { department: 'finance' } };
const read = { name: 'Report:Read' };
const report = (id: string) => ({ type: 'report', id });
const denials = async () =>
  (await service.events()).filter(({ type }) => type === 'dev.countersign.decision.denied.v1');

describe('decisions over the bus', () => {
  const actions: DecideExchangeRequest = {
    issuer: 'token.actions.githubusercontent.com',
    claims: { iss: 'https://token.actions.githubusercontent.com', sub: 'repo:acme/web:x', repository_owner: 'acme' },
    audiences: [],
    roles: null,
    policies: null,
    sourceIp: null,
    now: 1_800_000_000,
  };
  const staff: DecideExchangeRequest = {
    ...actions,
    issuer: 'keycloak.example.com',
    claims: { iss: 'https://keycloak.example.com/realms/openfaas', sub: 'aa544816-e4e9-4ea0-b4cf-dd70db159d2e' },
  };

  it.each([
    ['a job of the organisation', actions, 'Allow', ['dev-actions-deployer']],
    ['a job of another one', { ...actions, claims: { ...actions.claims, repository_owner: 'evil' } }, 'Deny', []],
    ['a member of staff', staff, 'Allow', ['staging-staff-deployers']],
    ['another member of staff', { ...staff, claims: { ...staff.claims, sub: 'somebody' } }, 'Deny', []],
    [
      'a member of staff through another issuer',
      { ...staff, issuer: actions.issuer, claims: { ...staff.claims, iss: actions.claims['iss'] } },
      'Deny',
      [],
    ],
  ])('decide the exchange of %s', async (_, request, effect, roles) => {
    const decision = await service.bus.request(decideExchange, request);
    expect(decision).toMatchObject({ effect, roles, revision: 3 });
    expect(decision.obligations.audience).toEqual(effect === 'Allow' ? [PUBLIC_URL] : []);
  });

  it.each([
    [['viewer'], 'Iam:Read', true],
    [['viewer'], 'Iam:Write', false],
    [['gateway', 'viewer'], 'Decision:Evaluate', true],
    [['reports'], 'Iam:Read', false],
    [['nowhere'], 'Iam:Read', false],
    [[], 'Iam:Read', false],
  ])('let the policies %j do %s: %s', async (policies, action, allowed) => {
    const request = { policies, claims: {}, action, resource: 'countersign:*', sourceIp: null };
    expect(await service.bus.request(authorizeAdmin, request)).toEqual({ allowed });
  });

  it('are not asked for by the guard of the service itself: it knows', async () => {
    const asked = jest.spyOn(service.bus, 'request');
    const token = await service.token({ policy: ['viewer'] });
    expect((await service.call('/v1/resources', { token })).status).toBe(200);
    expect((await service.call('/v1/apply', { method: 'POST', body: {}, token })).status).toBe(403);
    expect(asked).toHaveBeenCalled();
    expect(asked.mock.calls.filter(([contract]) => contract === authorizeAdmin)).toEqual([]);
    asked.mockRestore();
  });

  it('name the issuers of the revision as discovery needs them', async () => {
    const { revision, issuers } = await service.bus.request(listIssuers, {});
    expect(revision).toBe(3);
    expect(issuers).toMatchObject([
      { name: 'keycloak.example.com', iss: 'https://keycloak.example.com/realms/openfaas', tokenExpiry: 43_200 },
      { name: 'token.actions.githubusercontent.com', aud: ['https://gateway.example.com'], platform: 'github' },
    ]);
  });
});

describe('POST /access/v1/evaluation', () => {
  it.each([
    ['what a role grants to a vouched subject', analyst, report('q3'), true],
    ['what a Deny takes away again', analyst, report('secret'), false],
    ['another department', { ...analyst, properties: { department: 'sales' } }, report('q3'), false],
    ['another type of subject with the same properties', { ...analyst, type: 'robot' }, report('q3'), false],
    [
      'a property that poses as the type',
      { ...analyst, type: 'robot', properties: { department: 'finance', type: 'user' } },
      report('q3'),
      false,
    ],
    ['another type of resource', analyst, { type: 'invoice', id: 'q3' }, false],
  ])('decides: %s', async (_, subject, resource, decision) => {
    const { status, body } = await ask({ subject, action: read, resource });
    expect(status).toBe(200);
    expect(body).toEqual({ decision });
  });

  const tokenQuestion = (id: string) => ({
    subject: { type: 'access_token', id },
    action: read,
    resource: report('q3'),
  });

  it('verifies an access token and applies the policies that it names', async () => {
    const good = await service.token({ policy: ['reports'], aud: 'https://reports.example' });
    expect((await ask(tokenQuestion(good))).body).toEqual({ decision: true });
    const other = await service.token({ policy: ['viewer'] });
    expect((await ask(tokenQuestion(other))).body).toEqual({ decision: false });
  });

  it('denies a token that is expired, of another key, or none, and records no part of it', async () => {
    const past = Math.floor(Date.now() / 1000) - 600;
    const stranger = await generateSigningKey('ES256');
    const expired = await service.token({ policy: ['reports'], exp: past });
    const [, payload = ''] = (await service.token({ policy: ['reports'] })).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as never;
    const tokens = [expired, signAccessToken({ claims, key: stranger }), 'not-a-token'];
    for (const token of tokens) expect((await ask(tokenQuestion(token))).body).toEqual({ decision: false });
    const events = (await denials()).slice(-3);
    expect(events.map(({ data }) => data['reason'])).toEqual(Array(3).fill('token_not_valid'));
    for (const token of tokens) expect(JSON.stringify(events)).not.toContain(token);
  });

  it('records a denial with its reason, and no token that came under another name', async () => {
    const token = await service.token({ policy: ['reports'] });
    const before = (await denials()).length;
    await ask({ subject: analyst, action: read, resource: report('q3') });
    const { headers } = await ask({ subject: analyst, action: read, resource: report('secret') });
    await ask({ subject: { type: 'bearer', id: token }, action: read, resource: report(token) });
    const [denied, odd, ...rest] = (await denials()).slice(before);
    expect(rest).toEqual([]);
    expect(denied).toMatchObject({
      source: PUBLIC_URL,
      subject: 'user:ann',
      data: {
        outcome: 'denied',
        reason: 'denied_by_statement',
        action: 'Report:Read',
        resource: 'report:secret',
        decision: { roles: ['analysts'], policies: ['reports'], statements: [{ policy: 'reports', sid: 'secret' }] },
        enforcementPoint: 'bootstrap',
        requestId: headers.get('x-request-id'),
      },
    });
    expect(odd?.data['reason']).toBe('no_matching_role');
    expect(JSON.stringify(odd)).not.toContain(token);
  });

  it('does not answer when the denial cannot be recorded', async () => {
    await service.sql('ALTER TABLE embedded.stream_event RENAME TO gone');
    const { status } = await ask({ subject: analyst, action: read, resource: report('secret') });
    await service.sql('ALTER TABLE embedded.gone RENAME TO stream_event');
    expect(status).toBe(503);
  });

  it('is for callers that may ask', async () => {
    const question = { subject: analyst, action: read, resource: report('q3') };
    const gateway = await service.token({ policy: ['gateway'] });
    expect((await post('/access/v1/evaluation', question, gateway)).status).toBe(200);
    const viewer = await service.token({ policy: ['viewer'] });
    expect((await post('/access/v1/evaluation', question, viewer)).status).toBe(403);
  });

  const whole = { subject: analyst, action: read, resource: report('q3') };

  it('ignores members that it does not know', async () => {
    const question = { ...whole, hint: 1, subject: { ...analyst, extra: {} }, context: { any: ['thing'] } };
    expect((await ask(question)).body).toEqual({ decision: true });
  });

  it.each([
    ['no subject', { ...whole, subject: undefined }],
    ['no action', { ...whole, action: undefined }],
    ['no resource', { ...whole, resource: undefined }],
    ['a subject without an id', { ...whole, subject: { type: 'user' } }],
    ['an empty type', { ...whole, subject: { type: '', id: 'x' } }],
    ['an id that is a number', { ...whole, subject: { type: 'user', id: 7 } }],
    ['a colon in the type of the resource', { ...whole, resource: { type: 'report:q3', id: 'x' } }],
    ['properties that are a list', { ...whole, action: { name: 'x', properties: [] } }],
    ['a list', [whole]],
  ])('answers 400 to %s', async (_, body) => {
    expect(await ask(body)).toMatchObject({ status: 400, body: { status: 400, traceId: expect.any(String) } });
  });
});

describe('POST /access/v1/evaluations', () => {
  const batch = (ids: string[], semantics?: string) => ({
    subject: analyst,
    action: read,
    evaluations: ids.map((id) => ({ resource: report(id) })),
    ...(semantics === undefined ? {} : { options: { evaluations_semantic: semantics } }),
  });

  it.each([
    [undefined, [true, false, true]],
    ['execute_all', [true, false, true]],
    ['deny_on_first_deny', [true, false]],
    ['permit_on_first_permit', [true]],
  ])('goes with %s as far as it should, in order', async (semantics, decisions) => {
    const { status, body } = await askMany(batch(['a', 'secret', 'b'], semantics));
    expect(status).toBe(200);
    expect(body).toEqual({ evaluations: decisions.map((decision) => ({ decision })) });
  });

  it('records each denial before it answers, and all of them together', async () => {
    const before = (await denials()).length;
    const asked = jest.spyOn(service.database, 'query');
    const resources = Array.from({ length: 40 }, (_, item) => ({ resource: report(`x-${item}`) }));
    const robot = { type: 'robot', id: 'r' };
    expect((await askMany({ subject: robot, action: read, evaluations: resources })).status).toBe(200);
    const written = asked.mock.calls.filter(([sql]) => sql.includes('INSERT INTO embedded.stream_event'));
    asked.mockRestore();
    const recorded = (await denials()).slice(before).map(({ data }) => data['resource']);
    expect(recorded).toEqual(resources.map(({ resource }) => `report:${resource.id}`));
    // The first goes at once, the others gather behind it.
    expect([1, 2]).toContain(written.length);
  });

  it('lets an item replace a default as a whole', async () => {
    const robot = { type: 'robot', id: 'r' };
    const { body } = await askMany({ ...batch(['a']), evaluations: [{ resource: report('a'), subject: robot }] });
    expect(body).toEqual({ evaluations: [{ decision: false }] });
  });

  it('denies an item that is not complete, and decides the others', async () => {
    const { status, body } = await askMany({ ...batch(['a', 'b']), evaluations: [{}, { resource: report('b') }] });
    expect(status).toBe(200);
    expect(body.evaluations).toMatchObject([
      { decision: false, context: { error: { status: 400 } } },
      { decision: true },
    ]);
  });

  it.each([undefined, []])('is a single question without evaluations (%j)', async (evaluations) => {
    const { body } = await askMany({ subject: analyst, action: read, resource: report('a'), evaluations });
    expect(body).toEqual({ decision: true });
  });

  it.each([
    ['too many items', { ...batch(Array<string>(501).fill('a')) }],
    ['unknown semantics', batch(['a'], 'whatever')],
    ['items that are no objects', { ...batch(['a']), evaluations: [7] }],
  ])('answers 400 to %s', async (_, body) => {
    expect((await askMany(body)).status).toBe(400);
  });
});

describe('GET /.well-known/authzen-configuration', () => {
  it('tells anybody where the endpoints are', async () => {
    const { status, body } = await service.call('/.well-known/authzen-configuration', { token: null });
    expect(status).toBe(200);
    expect(body).toEqual({
      policy_decision_point: PUBLIC_URL,
      access_evaluation_endpoint: `${PUBLIC_URL}/access/v1/evaluation`,
      access_evaluations_endpoint: `${PUBLIC_URL}/access/v1/evaluations`,
    });
  });
});

describe('GET /openapi.json', () => {
  it('describes every endpoint of the service', async () => {
    const { body } = await service.call('/openapi.json', { token: null });
    expect(Object.keys(body.paths as object).sort()).toEqual([
      '/.well-known/authzen-configuration',
      '/access/v1/evaluation',
      '/access/v1/evaluations',
      '/schemas/{file}',
      '/v1/apply',
      '/v1/explain',
      '/v1/lint',
      '/v1/pins',
      '/v1/pins/{id}',
      '/v1/resources',
      '/v1/resources/{kind}/{name}',
      '/v1/revisions',
      '/v1/revisions/{number}',
      '/v1/revisions/{number}/restore',
      '/v1/simulate',
      '/v1/stale',
      '/v1/test',
      '/v1/who-can',
    ]);
  });
});
