import { parseDocument, type CloudEvent, type ExchangeEventData, type WhoCanAnswer } from '@countersign/contracts';
import { compileSnapshot, decideExchange, evaluatePermission, type Snapshot } from '@countersign/policy-engine';
import { parseYaml } from '../documents/parse-yaml';
import { eventually, PolicyServices, PUBLIC_URL, type PolicyService } from '../policy-service.fixture';
import {
  DAY_MS,
  daysAgo,
  exchangeEvent,
  GITHUB,
  GITHUB_ISSUER,
  refusedEvent,
} from '../recorded/exchange-events.fixture';

const DOCUMENTS = `${GITHUB_ISSUER}
apiVersion: countersign.dev/v1
kind: Policy
metadata: { name: staging }
spec:
  statement:
    - { sid: create, effect: Allow, action: ['Function:*'], resource: ['staging:*'] }
    - sid: frozen
      effect: Deny
      action: [Function:Create]
      resource: ['*']
      condition: { StringEqual: { 'jwt:actor': [mallory] } }
---
apiVersion: countersign.dev/v1
kind: Policy
metadata: { name: teams }
spec:
  statement: [{ sid: own, effect: Allow, action: [Function:Create], resource: ['\${jwt:team}:*'] }]
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: deploy }
spec:
  policy: [staging]
  principal: { 'jwt:sub': ['repo:acme/web:ref:refs/heads/main', 'repo:acme/api:ref:refs/heads/main'] }
  condition: { StringEqual: { 'jwt:iss': ['${GITHUB}'], 'jwt:repository_owner_id': ['1'] } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: teams }
spec:
  policy: [teams]
  trustedIps: [203.0.113.0/24]
  condition: { StringEqual: { 'jwt:iss': ['${GITHUB}'], 'jwt:repository_owner_id': ['1'] } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: rehearsed }
spec:
  policy: [staging]
  shadow: true
  condition: { StringEqual: { 'jwt:iss': ['${GITHUB}'], 'jwt:repository_owner_id': ['1'] } }
`;

const services = new PolicyServices();
let service: PolicyService;
let events: CloudEvent[];

const MINUTE_MS = 60_000;
const minutesAgo = (minutes: number): Date => new Date(Date.now() - minutes * MINUTE_MS);

/** Jobs of all kinds, each a few times with other times and ids, and the same claims refused. */
function* attempts(): Generator<CloudEvent> {
  let at = 0;
  for (const sub of ['repo:acme/web:ref:refs/heads/main', 'repo:acme/api:ref:refs/heads/main', 'repo:acme/x:y', 7]) {
    for (const team of [undefined, 'staging', 'prod']) {
      for (const more of [{}, { actor: 'mallory' }, { repository_owner_id: '2' }]) {
        at += 1;
        const claims = {
          iss: GITHUB,
          sub,
          repository_owner_id: '1',
          jti: `j${at}`,
          ...(team === undefined ? {} : { team }),
          ...more,
        };
        const [here, there] = at % 2 === 0 ? ['198.51.100.1', '203.0.113.7'] : ['203.0.113.7', '198.51.100.1'];
        const elsewhere = { audience: ['https://elsewhere.example'] };
        yield exchangeEvent({ claims, sourceIp: here, issuer: 'an-older-name' }, minutesAgo(at));
        yield exchangeEvent({ claims: { ...claims, jti: `k${at}` }, sourceIp: there }, minutesAgo(at + 100));
        yield exchangeEvent({ claims, sourceIp: here, request: elsewhere }, minutesAgo(at + 200));
        yield refusedEvent({ claims, sourceIp: here }, minutesAgo(1));
        yield exchangeEvent({ claims, sourceIp: here }, daysAgo(31));
      }
    }
  }
}

beforeAll(async () => {
  service = await services.start({ documents: DOCUMENTS });
  events = [...attempts()];
  await Promise.all(events.map((event) => service.stream.append('audit', event)));
  const count = 'SELECT count(*)::int AS count FROM policy.recorded_exchanges';
  await eventually(
    () => service.database.query<{ count: number }>(count),
    ([row]) => row?.count === events.length,
    60_000,
  );
});

afterAll(() => services.stop());

const ask = (body: unknown, more = {}) =>
  service.call('/v1/who-can', { method: 'POST', body: body as object, ...more });
const staging = { action: 'Function:Create', resource: 'staging:x' };

function mayDo(snapshot: Snapshot, { action, resource }: typeof staging, seen: ExchangeEventData): boolean {
  const { sourceIp, request } = seen;
  const claims = seen.claims ?? {};
  const now = Math.floor(Date.now() / 1000);
  const asked = { issuer: 'github', claims, audiences: request.audience, roles: null, policies: null, sourceIp, now };
  const exchange = decideExchange(snapshot, asked);
  const decision = evaluatePermission(snapshot, {
    ...{ policies: exchange.policies, roles: exchange.roles, claims, sourceIp, now, resource },
    ...{ subject: { type: 'access_token', id: '', properties: {} }, action: { name: action, properties: {} } },
    ...{ resourceProperties: {}, context: {} },
  });
  return exchange.effect === 'Allow' && decision.effect === 'Allow';
}

/** Every attempt of the window, decided one by one. */
function exhaustively({ action, resource }: typeof staging, from: number, to: number) {
  const documents = parseYaml(DOCUMENTS).flatMap((raw) => {
    const result = parseDocument(raw);
    return result.ok ? [result.document] : [];
  });
  const snapshot = compileSnapshot({ documents, publicUrl: PUBLIC_URL, revision: 1 });
  const found = new Map<string, { count: number; lastSeenAt: string }>();
  for (const { time, data } of events) {
    const seen = data as ExchangeEventData;
    const isAsked = seen.outcome === 'granted' && Date.parse(time) >= from && Date.parse(time) <= to;
    if (!isAsked || !mayDo(snapshot, { action, resource }, seen)) continue;
    const subject = typeof seen.claims?.['sub'] === 'string' ? seen.claims['sub'] : '';
    const { count, lastSeenAt } = found.get(subject) ?? { count: 0, lastSeenAt: '' };
    found.set(subject, { count: count + 1, lastSeenAt: time > lastSeenAt ? time : lastSeenAt });
  }
  return [...found].map(([subject, rest]) => ({ issuer: 'github', subject, ...rest }));
}

describe('POST /v1/who-can', () => {
  it.each([
    ['staging', staging, ['deploy', 'teams']],
    ['another action of it', { ...staging, action: 'Function:Delete' }, ['deploy']],
    ['a resource that a template may mean', { ...staging, resource: 'prod:x' }, ['teams']],
    ['what nobody may', { action: 'Secret:Read', resource: 'staging:x' }, []],
  ])('equals exhaustive evaluation: %s', async (_, question, roles) => {
    const { status, body } = await ask(question);
    const { revision, identities, identityCount, window, roles: listed } = body as WhoCanAnswer;
    expect({ status, revision }).toEqual({ status: 200, revision: 1 });
    expect(listed.map(({ name }) => name)).toEqual(roles);
    const wanted = exhaustively(question, Date.parse(window.from), Date.parse(window.to));
    const seen = identities.map(({ issuer, subject, count, lastSeenAt }) => ({ issuer, subject, count, lastSeenAt }));
    expect(seen).toEqual(expect.arrayContaining(wanted));
    expect([identities.length, identityCount]).toEqual([wanted.length, wanted.length]);
    for (const { roles: by } of identities) expect(roles).toEqual(expect.arrayContaining(by));
    expect(wanted.length > 0).toBe(roles.length > 0);
    expect(Date.parse(window.to) - Date.parse(window.from)).toBe(30 * DAY_MS);
  });

  it('tells what each role asks for, and what may take it away', async () => {
    const { body } = await ask(staging);
    const condition = { StringEqual: { 'jwt:iss': [GITHUB], 'jwt:repository_owner_id': ['1'] } };
    const frozen = { policy: 'staging', sid: 'frozen', condition: { StringEqual: { 'jwt:actor': ['mallory'] } } };
    const denial = { role: 'deploy', ...frozen, resourceClaims: [] };
    expect((body as WhoCanAnswer).roles).toEqual([
      {
        ...{
          name: 'deploy',
          policy: 'staging',
          sid: 'create',
          condition,
          statementCondition: null,
          resourceClaims: [],
        },
        principal: { 'jwt:sub': ['repo:acme/web:ref:refs/heads/main', 'repo:acme/api:ref:refs/heads/main'] },
        deniedBy: [denial],
      },
      {
        ...{
          name: 'teams',
          policy: 'teams',
          sid: 'own',
          condition,
          statementCondition: null,
          resourceClaims: ['team'],
        },
        principal: null,
        deniedBy: [denial],
      },
    ]);
  });

  it('names identities with the roles that let them, seen last first', async () => {
    const { body } = await ask(staging);
    const { identities } = body as WhoCanAnswer;
    expect(identities.map(({ subject, roles }) => [subject, roles])).toEqual([
      ['repo:acme/web:ref:refs/heads/main', ['deploy', 'teams']],
      ['repo:acme/api:ref:refs/heads/main', ['deploy', 'teams']],
      ['repo:acme/x:y', ['teams']],
      ['', ['teams']],
    ]);
  });

  it('looks at the window that is asked for', async () => {
    const from = daysAgo(32).toISOString();
    const to = daysAgo(30.5).toISOString();
    const { body } = await ask({ ...staging, from, to });
    const { identities, window } = body as WhoCanAnswer;
    expect(window).toEqual({ from, to });
    const wanted = exhaustively(staging, Date.parse(from), Date.parse(to));
    expect(identities).toHaveLength(wanted.length);
    expect(identities.map(({ count }) => count).reduce((sum, one) => sum + one, 0)).toBe(
      wanted.map(({ count }) => count).reduce((sum, one) => sum + one, 0),
    );
  });

  it.each<[string, unknown, number, string]>([
    ['no action', { resource: 'a:b' }, 422, '/action'],
    ['an empty resource', { action: 'a', resource: '' }, 422, '/resource'],
    ['a resource that is a list', { action: 'a', resource: ['a:b'] }, 422, '/resource'],
    ['a control character', { action: 'a\n', resource: 'a:b' }, 422, '/action'],
    ['an unknown field', { ...staging, subject: 'x' }, 422, '/subject'],
    ['a time that is none', { ...staging, from: 'yesterday' }, 422, '/from'],
    [
      'a window the wrong way round',
      { ...staging, from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' },
      422,
      '/from',
    ],
    ['a list', [staging], 422, ''],
  ])('refuses %s', async (_, body, status, path) => {
    const answer = await ask(body);
    expect(answer.status).toBe(status);
    expect(answer.body.errors).toMatchObject([{ path }]);
  });

  it('is for whoever may read documents, and takes JSON only', async () => {
    await service.apply(`
apiVersion: countersign.dev/v1
kind: Policy
metadata: { name: reader }
spec: { statement: [{ effect: Allow, action: [Iam:Read], resource: ['countersign:*'] }] }
`);
    expect((await ask(staging, { token: await service.token({ policy: ['reader'] }) })).status).toBe(200);
    expect((await ask(staging, { token: await service.token({ policy: ['staging'] }) })).status).toBe(403);
    expect((await ask(staging, { token: null })).status).toBe(401);
    expect((await ask('action: x', { type: 'application/yaml' })).status).toBe(415);
  });
});
