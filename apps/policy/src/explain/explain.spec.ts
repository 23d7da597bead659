import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getIssuerKeys, type CloudEvent, type IssuerKeys } from '@countersign/contracts';
import { intakeKeys } from '@countersign/tokens';
import { generateIssuerKey, startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { eventually, PolicyServices, PUBLIC_URL, type Answer, type PolicyService } from '../policy-service.fixture';
import {
  exchangeEvent,
  GITHUB,
  GITHUB_ISSUER,
  refusedEvent,
  unverifiedEvent,
} from '../recorded/exchange-events.fixture';

const PINNED = `{ 'jwt:iss': '${GITHUB}', 'jwt:repository_owner_id': '1' }`;
/** With scalars for lists, and a synonym: paths must fit what stands here. */
const DOCUMENTS = `${GITHUB_ISSUER}
apiVersion: countersign.dev/v1
kind: JwtIssuer
metadata: { name: closed }
spec: { iss: 'https://closed.example', aud: [countersign], disabled: true }
---
apiVersion: countersign.dev/v1
kind: Policy
metadata: { name: staging }
spec:
  statement:
    - { sid: all, effect: Allow, action: 'Function:*', resource: 'staging:*' }
    - { sid: frozen, effect: Deny, action: Function:Create, resource: '*', condition: { StringEquals: { jwt:actor: eve } } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: deploy }
spec: { policy: staging, condition: { StringEquals: { jwt:iss: '${GITHUB}', jwt:repository_owner_id: '1', jwt:ref: refs/heads/main } } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: release }
spec: { policy: staging, principal: { jwt:sub: 'repo:acme/web:environment:prod' }, condition: { StringEqual: ${PINNED} } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: short }
spec: { policy: staging, principal: 'github:acme/short@main' }
`;

const services = new PolicyServices();
let service: PolicyService;
let issuer: LocalIssuer;
/** What discovery says of the issuer's keys; null: it does not answer. */
let keys: IssuerKeys | null;

const claims = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  iss: GITHUB,
  aud: 'countersign',
  sub: 'repo:acme/web:ref:refs/heads/dev',
  repository_owner_id: '1',
  ref: 'refs/heads/dev',
  ...changes,
});
const main = { sub: 'repo:acme/web:ref:refs/heads/main', ref: 'refs/heads/main' };

function trusted(): IssuerKeys {
  const rules = { tokenExpiry: 900, clockSkew: 60, maxTokenAge: 86_400, carry: [], platform: 'github', typ: ['JWT'] };
  const flags = { singleUse: true, allowMissingKid: false, strictAudience: false, boundToSubjectExpiry: false };
  const about = { name: 'github', iss: GITHUB, aud: ['countersign'], algorithms: ['RS256'] };
  const { keys: usable } = intakeKeys(issuer.jwks());
  return { status: 'found', issuer: { ...about, ...rules, ...flags }, keys: usable, rejectedKeys: [] };
}

const explain = (body: object, token?: string | null): Promise<Answer> =>
  service.call('/v1/explain', { method: 'POST', body, ...(token === undefined ? {} : { token }) });

async function recordAll(events: CloudEvent[]): Promise<void> {
  for (const event of events) {
    await service.stream.append(event.data['claims'] === null ? 'refusals' : 'audit', event);
  }
  for (const { id } of events) {
    await eventually(
      () => explain({ eventId: id }),
      ({ status }) => status === 200,
    );
  }
}

beforeAll(async () => {
  [service, issuer] = await Promise.all([services.start({ documents: DOCUMENTS }), startLocalIssuer({ iss: GITHUB })]);
  service.bus.serve(getIssuerKeys, () => {
    if (keys === null) throw new Error('not today');
    return keys;
  });
});

afterAll(() => Promise.all([services.stop(), issuer.stop()]));

beforeEach(() => {
  keys = trusted();
});

describe('POST /v1/explain from claims', () => {
  it('shows every check of every role, in the words of the documents, and the edit that would admit', async () => {
    const { status, body } = await explain({ claims: claims() });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...{ outcome: 'denied', stage: 'decide', class: 'not authorized', reason: 'no_matching_role' },
      ...{ issuer: 'github', subject: 'repo:acme/web:ref:refs/heads/dev', verified: true, revision: 1, recorded: null },
      request: { audience: [], scope: null, sourceIp: null },
      ...{ ifVerified: null, statements: [], permission: null, rolesLeftOut: 0 },
      nearestMiss: {
        ...{ role: 'deploy', failedChecks: 1, alsoAdmits: { count: 0, sample: [] } },
        edit: {
          op: 'replace',
          path: '/spec/condition/StringEquals/jwt:ref',
          value: ['refs/heads/main', 'refs/heads/dev'],
        },
      },
    });
    const [deploy, release] = body.roles;
    expect(deploy).toMatchObject({ name: 'deploy', matched: false, shadow: false });
    expect(deploy.checks).toContainEqual({
      path: '/spec/condition/StringEquals/jwt:ref',
      operator: 'StringEqual',
      key: 'jwt:ref',
      expected: ['refs/heads/main'],
      actual: 'refs/heads/dev',
      present: true,
      matched: false,
    });
    expect(release.checks[0]).toMatchObject({ path: '/spec/principal/jwt:sub', matched: false });
  });

  it('names what is missing as missing', async () => {
    const { body } = await explain({ claims: { iss: GITHUB, sub: 'x' } });
    const failed = body.roles.flatMap((role: { checks: { matched: boolean }[] }) =>
      role.checks.filter(({ matched }) => !matched),
    );
    expect(failed).toContainEqual(expect.objectContaining({ key: 'jwt:ref', actual: null, present: false }));
    expect(body.nearestMiss).toMatchObject({ edit: null });
  });

  it.each<[string, Record<string, unknown>, object, object]>([
    ['a grant', main, {}, { outcome: 'granted', stage: 'granted', class: null, reason: null, nearestMiss: null }],
    [
      'an audience that no role allows',
      main,
      { audience: 'https://a.example' },
      {
        ...{ outcome: 'denied', stage: 'target', class: 'target not allowed', reason: 'target_not_allowed' },
        nearestMiss: { edit: { op: 'add', path: '/spec/audience', value: [PUBLIC_URL, 'https://a.example'] } },
      },
    ],
    [
      'a repository named in short',
      {
        ...{ sub: 'repo:acme/short:ref:refs/heads/dev', repository: 'acme/short', repository_owner: 'acme' },
        ...{ repository_id: '12', repository_owner_id: '3' },
      },
      {},
      {
        nearestMiss: {
          role: 'short',
          edit: {
            op: 'replace',
            path: '/spec/principal',
            value: ['github:acme/short@main', 'github:acme@3/short@12@refs/heads/dev'],
          },
        },
      },
    ],
    [
      'a scope that is not granted',
      main,
      { scope: 'role:release' },
      { outcome: 'denied', stage: 'decide', reason: 'scope_not_allowed' },
    ],
    [
      'a guarded event',
      { ...main, event_name: 'pull_request_target' },
      { sourceIp: '203.0.113.7', time: '2026-01-01T00:00:00Z' },
      {
        reason: 'event_not_allowed',
        nearestMiss: { findings: [{ rule: 'CS011' }] },
        request: { sourceIp: '203.0.113.7', time: '2026-01-01T00:00:00.000Z' },
      },
    ],
    [
      'an issuer that is not trusted',
      { iss: 'https://nowhere.example' },
      {},
      { stage: 'verify', class: 'untrusted issuer', reason: 'issuer_unknown', issuer: null, roles: [] },
    ],
    [
      'an issuer that is disabled',
      { iss: 'https://closed.example' },
      {},
      { stage: 'verify', reason: 'issuer_unknown', detail: expect.stringContaining('closed') as string },
    ],
  ])('explains %s', async (_, changes, more, wanted) => {
    const { status, body } = await explain({ claims: claims(changes), ...more });
    expect(status).toBe(200);
    expect(body).toMatchObject(wanted);
  });

  it.each([
    ['what a statement allows', { action: 'Function:Read', resource: 'staging:x' }, {}, true, [true, false]],
    [
      'what a Deny takes away',
      { action: 'Function:Create', resource: 'staging:x' },
      { actor: 'eve' },
      false,
      [true, true],
    ],
    ['what no statement is about', { action: 'Function:Read', resource: 'prod:x' }, {}, false, [false, false]],
  ])('explains the statements: %s', async (...row) => {
    const [, question, changes, allowed, applies] = row;
    const { body } = await explain({ claims: claims({ ...main, ...changes }), ...question });
    expect(body).toMatchObject({ outcome: 'granted', permission: { ...question, allowed } });
    expect(body.statements.map((statement: { applies: boolean }) => statement.applies)).toEqual(applies);
    const [all, frozen] = body.statements;
    expect(all).toMatchObject({ policy: 'staging', sid: 'all', effect: 'Allow' });
    expect(all.checks[1]).toMatchObject({ path: '/spec/statement/0/resource', expected: ['staging:*'] });
    expect(frozen.checks[2]).toMatchObject({ path: '/spec/statement/1/condition/StringEquals/jwt:actor' });
  });
});

describe('the suggested edit', () => {
  const whole = async (name: string) => (await service.call(`/v1/resources/Role/${name}`)).body;

  it('admits once it is made, in the document as it was written, and admits no other', async () => {
    const { nearestMiss } = (await explain({ claims: claims() })).body;
    const before = await whole('deploy');
    const condition = { StringEquals: { ...before.spec.condition.StringEquals, 'jwt:ref': nearestMiss.edit.value } };
    await service.call('/v1/resources/Role/deploy', {
      method: 'PUT',
      body: { ...before, spec: { ...before.spec, condition } },
    });
    expect((await explain({ claims: claims() })).body).toMatchObject({ outcome: 'granted', nearestMiss: null });
    expect((await explain({ claims: claims({ ref: 'refs/heads/dev2' }) })).body.outcome).toBe('denied');
    await service.call('/v1/resources/Role/deploy', { method: 'PUT', body: before });
    expect((await explain({ claims: claims() })).body.outcome).toBe('denied');
  });

  it('says whom else it would have admitted in the last 30 days', async () => {
    const refused = (sub: string, changes: object = {}) => refusedEvent({ claims: claims({ sub, ...changes }) });
    await recordAll([
      refused('repo:acme/web:ref:refs/heads/dev'),
      refused('repo:acme/api:ref:refs/heads/dev'),
      refused('repo:acme/api:ref:refs/heads/dev'),
      refused('repo:acme/docs:ref:refs/heads/dev'),
      refused('repo:acme/docs:ref:refs/heads/other', { ref: 'refs/heads/other' }),
      refused('repo:evil/web:ref:refs/heads/dev', { repository_owner_id: '2' }),
      exchangeEvent({ claims: claims(main) }),
    ]);
    const { alsoAdmits } = (await explain({ claims: claims() })).body.nearestMiss;
    expect(alsoAdmits.count).toBe(2);
    expect(alsoAdmits.sample.sort()).toEqual(['repo:acme/api:ref:refs/heads/dev', 'repo:acme/docs:ref:refs/heads/dev']);
    const days = (Date.parse(alsoAdmits.to) - Date.parse(alsoAdmits.from)) / 86_400_000;
    expect(days).toBe(30);
  });
});

describe('POST /v1/explain from a token', () => {
  const now = (): number => Math.floor(Date.now() / 1000);
  const times = () => ({ iat: now(), exp: now() + 300, jti: 'j' });

  it('verifies it, and explains what it says', async () => {
    const token = await issuer.sign({ ...claims(), ...times() });
    const events = (await service.events()).length;
    for (let again = 0; again < 2; again += 1) {
      const { status, body } = await explain({ token });
      expect(status).toBe(200);
      expect(body).toMatchObject({
        verified: true,
        stage: 'decide',
        reason: 'no_matching_role',
        nearestMiss: { role: 'deploy' },
      });
      expect(JSON.stringify(body)).not.toContain(token.split('.')[2]);
    }
    expect(await service.events()).toHaveLength(events);
  });

  it.each<[string, () => Promise<string>, string, string | null]>([
    ['expired', () => issuer.sign({ ...claims(), iat: now() - 900, exp: now() - 600 }), 'expired', 'deploy'],
    ['for another audience', () => issuer.sign({ ...claims(), ...times(), aud: 'other' }), 'aud', 'deploy'],
    [
      'signed with another key',
      async () =>
        issuer.sign({ ...claims(), ...times() }, { key: await generateIssuerKey('RS256', issuer.keys[0]?.kid) }),
      'verify',
      'deploy',
    ],
    ['of an issuer unknown here', () => issuer.sign({ ...claims(), iss: 'https://x.example' }), 'issuer_unknown', null],
    ['not a token', () => Promise.resolve('not a token'), 'token_form', null],
  ])('says precisely why a token is not valid, and what would have happened: %s', async (...row) => {
    const [, makeToken, reason, nearest] = row;
    if (reason === 'issuer_unknown') keys = { status: 'issuer_unknown' };
    const { status, body } = await explain({ token: await makeToken() });
    expect(status).toBe(200);
    expect(body).toMatchObject({ outcome: 'denied', stage: 'verify', reason, verified: false });
    // Nobody is to be let in because of claims that anybody may have written.
    expect(body.nearestMiss).toBeNull();
    expect(body.roles[0]?.name ?? null).toBe(nearest);
    expect(body.ifVerified).toEqual(
      nearest && expect.objectContaining({ stage: 'decide', reason: 'no_matching_role' }),
    );
  });

  it('answers 503 while the keys cannot be had', async () => {
    const token = await issuer.sign({ ...claims(), ...times() });
    keys = null;
    const { status, headers } = await explain({ token });
    expect(status).toBe(503);
    expect(headers.get('retry-after')).not.toBeNull();
  });

  it('sends one of our own tokens elsewhere, and quotes no token in an error', async () => {
    const own = await service.token();
    const answers = [
      await explain({ token: own }),
      await explain({ token: own, time: own }),
      await explain({ [own]: 1 }),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(422);
      expect(JSON.stringify(body)).not.toContain(own.split('.')[2]);
    }
  });
});

describe('POST /v1/explain from an attempt of the past', () => {
  it('decides it again with what it asked for, and says how it ended then', async () => {
    const event = exchangeEvent({
      claims: claims(main),
      request: { audience: ['https://a.example'] },
      decision: { roles: ['gone'], shadowRoles: [], policies: ['p'], statements: [], revision: 1 },
    });
    await recordAll([event]);
    for (const source of [{ eventId: event.id }, { traceId: event.data['traceId'] }]) {
      expect((await explain(source)).body).toMatchObject({
        ...{ outcome: 'denied', stage: 'target', verified: true, nearestMiss: { role: 'deploy' } },
        request: { audience: ['https://a.example'], sourceIp: '203.0.113.7' },
        recorded: { outcome: 'granted', stage: 'granted', roles: ['gone'], revision: 1, eventId: event.id },
      });
    }
    const otherwise = await explain({ eventId: event.id, audience: PUBLIC_URL });
    expect(otherwise.body).toMatchObject({ outcome: 'granted', request: { audience: [PUBLIC_URL] } });
  });

  it.each<[string, CloudEvent, object]>([
    [
      'refused before any role was considered',
      unverifiedEvent({
        ...{ detail: 'no key fits', issuer: null, reason: 'verify' },
        unverified: { header: { alg: 'RS256' }, claims: claims() },
      }),
      {
        ...{ outcome: 'denied', stage: 'verify', class: 'token not valid', reason: 'verify', detail: 'no key fits' },
        ...{ issuer: 'github', verified: false, nearestMiss: null },
        ifVerified: { stage: 'decide', reason: 'no_matching_role' },
      },
    ],
    [
      'that could not even be read',
      unverifiedEvent({ class: 'malformed token', reason: 'token_form', unverified: null, issuer: null }),
      { stage: 'verify', class: 'malformed token', reason: 'token_form', roles: [], ifVerified: null, subject: null },
    ],
    [
      'of a token used before',
      refusedEvent({ claims: claims(main), class: 'token already used', reason: 'replayed' }),
      { outcome: 'denied', stage: 'replay', class: 'token already used', reason: 'replayed', nearestMiss: null },
    ],
    [
      'of a token used before, which policy refuses by now',
      refusedEvent({ claims: claims(), class: 'token already used', reason: 'replayed' }),
      { stage: 'decide', reason: 'no_matching_role', recorded: { stage: 'replay', reason: 'replayed' } },
    ],
    [
      'that was voided',
      exchangeEvent({ outcome: 'voided', claims: claims(main), reason: 'not_recorded' }),
      { outcome: 'voided', stage: 'record', reason: 'not_recorded' },
    ],
    [
      'of one of our own tokens',
      refusedEvent({ claims: claims({ iss: PUBLIC_URL }), reason: 'scope_not_allowed' }),
      { outcome: 'denied', stage: 'decide', reason: 'scope_not_allowed', roles: [], recorded: {} },
    ],
  ])('explains one %s', async (_, event, wanted) => {
    await recordAll([event]);
    expect((await explain({ traceId: event.data['traceId'] })).body).toMatchObject(wanted);
  });

  it.each([{ traceId: 'f'.repeat(32) }, { eventId: 'nothing' }])('answers 404 to %j', async (source) => {
    expect((await explain(source)).status).toBe(404);
  });
});

describe('POST /v1/explain refuses', () => {
  it.each<[string, object, string]>([
    ['no source', {}, ''],
    ['two sources', { claims: {}, traceId: 'x' }, ''],
    ['claims that are a list', { claims: [] }, '/claims'],
    ['an action without a resource', { claims: {}, action: 'a' }, '/resource'],
    ['an id that nothing can have', { eventId: '\u0000' }, '/eventId'],
    ['a time that is none', { claims: {}, time: 'tomorrow' }, '/time'],
    ['an address that is none', { claims: {}, sourceIp: '010.0.0.1' }, '/sourceIp'],
    ['a scope of another kind', { claims: {}, scope: 'openid' }, '/scope'],
    ['a member that it does not know', { claims: {}, issuer: 'github' }, '/issuer'],
    ['a list', [], ''],
  ])('%s with 422, and says where', async (_, body, path) => {
    expect(await explain(body)).toMatchObject({ status: 422, body: { errors: [{ path }] } });
  });

  it('every body that is not JSON', async () => {
    for (const type of ['text/plain', 'application/yaml', 'application/x-www-form-urlencoded']) {
      const answer = await service.call('/v1/explain', { method: 'POST', body: '{"claims":{}}', type });
      expect(answer.status).toBe(415);
    }
  });

  it('callers who may not read policy: who was refused learns nothing here (POL-40)', async () => {
    expect((await explain({ claims: claims() }, null)).status).toBe(401);
    const job = await service.token({ policy: ['staging'] });
    const { status, body } = await explain({ claims: claims() }, job);
    expect(status).toBe(403);
    expect(JSON.stringify(body)).not.toContain('refs/heads/main');
  });
});

describe('docs/explain.md', () => {
  const text = readFileSync(join(__dirname, '../../../../docs/explain.md'), 'utf8');
  const block = (name: string): string =>
    new RegExp(`<!-- explain: ${name} -->\\s*\`\`\`\\w+\\n(.*?)\`\`\``, 's').exec(text)?.[1] ?? '';

  it('shows what is answered', async () => {
    await service.apply(block('documents'), '?prune=true');
    const { body } = await explain(JSON.parse(block('request')) as object);
    expect(body).toMatchObject(JSON.parse(block('answer')) as object);
  });
});
