import type { CloudEvent, ExchangeEventData, StaleAnswer } from '@countersign/contracts';
import { Clock } from '@countersign/platform';
import { anotherBus, eventually, PolicyServices, silent, type PolicyService } from '../policy-service.fixture';
import {
  DAY_MS,
  attempts,
  daysAgo,
  exchangeEvent,
  GITHUB,
  GITHUB_ISSUER,
  refusedEvent,
} from '../recorded/exchange-events.fixture';
import { LastUses } from './last-uses';

const DOCUMENTS = `${GITHUB_ISSUER}
apiVersion: countersign.dev/v1
kind: Policy
metadata: { name: files }
spec:
  statement:
    - { sid: read, effect: Allow, action: [File:Read], resource: ['file:*'] }
    - { sid: write, effect: Allow, action: [File:Write], resource: ['file:*'] }
    - { sid: never, effect: Deny, action: ['*'], resource: ['file:secret'] }
    - { effect: Allow, action: [File:List], resource: ['file:*'] }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: deploy }
spec: { policy: [files], condition: { StringEqual: { 'jwt:iss': ['${GITHUB}'], 'jwt:repository_owner_id': ['1'], 'jwt:repository_id': ['2'] } } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: rehearsed }
spec: { policy: [files], shadow: true, condition: { StringEqual: { 'jwt:iss': ['${GITHUB}'], 'jwt:repository_owner_id': ['1'], 'jwt:repository_id': ['2'] } } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: users }
spec: { policy: [files], condition: { StringEqual: { 'subject:type': [user] } } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: rehearsed-users }
spec: { policy: [files], shadow: true, condition: { StringEqual: { 'subject:type': [user] } } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: asleep }
spec: { policy: [files], disabled: true, condition: { StringEqual: { 'subject:type': [user] } } }
`;

const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start({ documents: DOCUMENTS });
});

afterAll(() => services.stop());

beforeEach(async () => {
  await stale();
  await service.sql('TRUNCATE policy.last_use');
  await service.sql("UPDATE policy.document SET created_at = now() - interval '400 days'");
  await service.sql('UPDATE policy.last_use_beginning SET began_at = now()');
});

async function stale(days?: number): Promise<StaleAnswer> {
  const { status, body } = await service.call(`/v1/stale${days === undefined ? '' : `?days=${days}`}`);
  expect(status).toBe(200);
  return body as StaleAnswer;
}

/** Everything that is listed, `role deploy` or `statement files read`, with its last use. */
const listed = ({ issuers, roles, statements }: StaleAnswer): Record<string, string | null> =>
  Object.fromEntries([
    ...issuers.map(({ name, lastUsedAt }) => [`issuer ${name}`, lastUsedAt]),
    ...roles.map(({ name, lastUsedAt }) => [`role ${name}`, lastUsedAt]),
    ...statements.map(({ policy, sid, lastUsedAt }) => [`statement ${policy} ${sid ?? '-'}`, lastUsedAt]),
  ]) as Record<string, string | null>;

const usesCount = async (): Promise<number> =>
  (await service.database.query<{ count: number }>('SELECT count(*)::int AS count FROM policy.last_use'))[0]?.count ??
  0;

const usedAt = async (role: string): Promise<Date | undefined> => {
  const sql = "SELECT used_at AS at FROM policy.last_use WHERE kind = 'role' AND name = $1";
  return (await service.database.query<{ at: Date }>(sql, [role]))[0]?.at;
};

let takes = 0;

/** Resolves when the last of the events has been taken in: one more role tells, another each time. */
async function take(...events: CloudEvent[]): Promise<void> {
  const role = `taken-in-${++takes}`;
  for (const event of events) await service.stream.append('audit', event);
  await service.stream.append('audit', exchangeEvent({ issuer: null, decision: { ...decision, roles: [role] } }));
  const taken = `SELECT name FROM policy.last_use WHERE name = '${role}'`;
  await eventually(
    () => service.database.query(taken),
    (rows) => rows.length === 1,
    60_000,
  );
}

const decision = { roles: [], shadowRoles: [], policies: [], statements: [], revision: 1 };
const granted = (changes: Partial<NonNullable<ExchangeEventData['decision']>>, at: Date): CloudEvent =>
  exchangeEvent({ decision: { ...decision, ...changes } }, at);

const decide = (action: string, resource: string, subject: object = { type: 'user', id: 'ann' }) =>
  service.call('/access/v1/evaluation', {
    method: 'POST',
    body: { subject, action: { name: action }, resource: { type: 'file', id: resource } },
  });

const statements = [
  { policy: 'files', sid: 'read' },
  { policy: 'files', sid: null },
];

describe('GET /v1/stale', () => {
  it('lists what was never of use, with its age, and since when the record goes', async () => {
    const answer = await stale();
    expect(listed(answer)).toEqual({
      'issuer github': null,
      'role deploy': null,
      'role rehearsed': null,
      'role users': null,
      'role rehearsed-users': null,
      'statement files read': null,
      'statement files write': null,
      'statement files never': null,
      'statement files -': null,
    });
    expect(answer.counts).toEqual({ issuers: 1, roles: 4, statements: 4 });
    expect(answer).toMatchObject({ revision: 1, days: 90 });
    expect(Date.parse(answer.recordedSince)).toBeGreaterThan(daysAgo(1).getTime());
    expect(Date.parse(answer.issuers[0]?.createdAt ?? '')).toBeLessThan(daysAgo(399).getTime());
    expect(Math.abs(Date.parse(answer.unusedSince) - daysAgo(90).getTime())).toBeLessThan(DAY_MS);
  });

  it('tells uses in exchanges: the issuer, roles and statements of what was granted, the latest', async () => {
    const then = daysAgo(40);
    const names = { roles: ['deploy'], policies: ['files'], statements };
    await take(
      granted(names, then),
      granted(names, daysAgo(50)),
      refusedEvent({ decision: { ...decision, ...names } }),
    );
    const older = await stale(30);
    expect(listed(older)).toMatchObject({
      'issuer github': then.toISOString(),
      'role deploy': then.toISOString(),
      'statement files read': then.toISOString(),
      'statement files -': then.toISOString(),
      'statement files write': null,
    });
    expect(Object.keys(listed(await stale(45)))).not.toEqual(expect.arrayContaining(['role deploy']));
    expect(listed(await stale(45))).toHaveProperty(['statement files write'], null);
    expect(older.recordedSince <= daysAgo(49).toISOString()).toBe(true);
  });

  it('writes the first use in an exchange as it comes, in one statement; those that follow wait until it is asked or stopped', async () => {
    const uses = new LastUses(service.database, new Clock(), silent);
    const asked = jest.spyOn(service.database, 'query');
    const [first, next, last] = [daysAgo(40), daysAgo(39), daysAgo(38)] as const;
    const busy = (at: Date) => granted({ roles: ['busy'], policies: ['files'], statements }, at);
    await uses.recordExchanges(attempts(busy(first)));
    for (const at of [last, next]) await uses.recordExchanges(attempts(busy(at)));
    expect(asked.mock.calls.filter(([sql]) => !sql.includes('embedded.'))).toHaveLength(1);
    asked.mockRestore();
    expect(await usedAt('busy')).toEqual(first);
    await uses.onModuleDestroy();
    expect(await usedAt('busy')).toEqual(last);
  });

  it('tells of a shadow role when it would have contributed, granted or not', async () => {
    const then = daysAgo(100);
    await take(refusedEvent({ decision: { ...decision, shadowRoles: ['rehearsed'] } }, then));
    const { roles } = await stale();
    expect(roles).toContainEqual(
      expect.objectContaining({ name: 'rehearsed', shadow: true, lastUsedAt: then.toISOString() }),
    );
    expect(roles).toContainEqual(expect.objectContaining({ name: 'deploy', shadow: false, lastUsedAt: null }));
  });

  it('tells uses in decisions: the statements that made them, a Deny too, and roles that enforcement points ask by', async () => {
    await decide('File:Read', 'a');
    expect(Object.keys(listed(await stale()))).toEqual(
      expect.arrayContaining(['statement files write', 'statement files never', 'role deploy']),
    );
    expect(listed(await stale())).not.toHaveProperty(['statement files read']);
    expect(listed(await stale())).not.toHaveProperty(['role users']);
    expect(listed(await stale())).not.toHaveProperty(['role rehearsed-users']);
    await decide('File:Read', 'secret');
    expect(listed(await stale())).not.toHaveProperty(['statement files never']);
    await decide('File:Write', 'a', { type: 'robot', id: 'r' });
    expect(listed(await stale())).toHaveProperty(['statement files write'], null);
  });

  it('counts the uses of a token for the statements that let it', async () => {
    const token = await service.token({ policy: ['files'], roles: ['deploy'] });
    await decide('File:Write', 'a', { type: 'access_token', id: token });
    expect(listed(await stale())).not.toHaveProperty(['statement files write']);
  });

  it('writes what decisions used when the service stops, for the replicas that go on', async () => {
    const other = await services.startOn(service.databaseUrl, anotherBus());
    await other.call('/access/v1/evaluation', {
      method: 'POST',
      body: {
        subject: { type: 'user', id: 'ann' },
        action: { name: 'File:List' },
        resource: { type: 'file', id: 'a' },
      },
    });
    expect(await usesCount()).toBe(0);
    await other.stop();
    expect(listed(await stale())).not.toHaveProperty(['statement files -']);
  });

  it('gives a role that was made again none of the uses of the one before', async () => {
    await take(granted({ roles: ['deploy', 'users'], policies: ['files'] }, daysAgo(10)));
    await service.sql("UPDATE policy.document SET created_at = now() WHERE name = 'deploy'");
    expect(listed(await stale(5))).toMatchObject({ 'role deploy': null, 'role users': expect.any(String) as string });
    expect(listed(await stale(20))).not.toHaveProperty(['role users']);
  });

  it('puts what was never used first, and then what was not for longest', async () => {
    await take(granted({ roles: ['users'] }, daysAgo(95)), granted({ roles: ['deploy'] }, daysAgo(99)));
    expect((await stale()).roles.map(({ name }) => name)).toEqual(['rehearsed', 'rehearsed-users', 'deploy', 'users']);
  });

  it.each(['0', '-1', '1.5', '3651', 'many', ''])('refuses %j days', async (days) => {
    expect((await service.call(`/v1/stale?days=${days}`)).status).toBe(422);
  });

  it('answers 503 without a database, and so does who-can', async () => {
    const other = await services.startOn(service.databaseUrl, anotherBus());
    await other.database.close();
    const question = { method: 'POST', body: { action: 'File:Read', resource: 'file:a' } };
    for (const answer of [await other.call('/v1/stale'), await other.call('/v1/who-can', question)]) {
      expect(answer).toMatchObject({ status: 503, body: { status: 503 } });
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    }
  });

  it('is for whoever may read documents', async () => {
    expect((await service.call('/v1/stale', { token: null })).status).toBe(401);
    expect((await service.call('/v1/stale', { token: await service.token({ policy: ['files'] }) })).status).toBe(403);
  });
});
