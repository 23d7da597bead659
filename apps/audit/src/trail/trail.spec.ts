import { startPostgres, type TestServer } from '@countersign/testing';
import { generateSigningKey, signAccessToken, type AccessTokenClaims } from '@countersign/tokens';
import type { AuditDatabase } from '../database';
import { PUBLIC_URL, exchangeEvent, startAudit, until, type AuditUnderTest } from '../audit.fixture';

let server: TestServer;
let audit: AuditUnderTest;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

const start = async (): Promise<void> => void (audit = await startAudit(server));
const stop = (): Promise<void> => audit.stop();

interface Row {
  sequence: string;
  event_id: string;
}
const trail = (): Promise<Row[]> => audit.rows<Row>('SELECT sequence, event_id FROM audit.event ORDER BY sequence');
/** The statements of each transaction from now on, without those that begin and end it. */
function statementsOfTransactions(database: AuditDatabase): string[][] {
  const found: string[][] = [];
  const transaction = database.transaction.bind(database);
  jest.spyOn(database, 'transaction').mockImplementation((work, limit) =>
    transaction(async (manager) => {
      const client = (await manager.queryRunner?.connect()) as { query(sql: string | { text: string }): unknown };
      const asked = jest.spyOn(client, 'query');
      try {
        return await work(manager);
      } finally {
        found.push(asked.mock.calls.map(([sql]) => (typeof sql === 'string' ? sql : sql.text)));
        asked.mockRestore();
      }
    }, limit),
  );
  return found;
}

const stored = (count: number): Promise<Row[]> =>
  until(`${count} events`, async () => {
    const rows = await trail();
    return rows.length >= count ? rows : null;
  });

describe('the trail', () => {
  beforeEach(start);
  afterEach(stop);

  test('has every event once and in order, numbered without a gap, however often the service dies before the ack', async () => {
    const events = Array.from({ length: 130 }, () => exchangeEvent());
    audit.stream.failBefore = 1;
    audit.stream.failAfter = 2;
    for (const event of events) await audit.stream.append('audit', event);
    const rows = await stored(events.length);
    await until('the failures', () => audit.stream.failAfter <= 0);
    await audit.stream.append('audit', exchangeEvent({}, { id: 'the-last' }));
    await stored(events.length + 1);
    expect(rows.map(({ event_id: id }) => id)).toEqual(events.map(({ id }) => id));
    expect((await trail()).map(({ sequence }) => Number(sequence))).toEqual(
      Array.from({ length: events.length + 1 }, (_, index) => index + 1),
    );
  });

  test('costs at most seven statements a batch between BEGIN and COMMIT, whatever its size', async () => {
    const batches = statementsOfTransactions(audit.database);
    await audit.stream.append('audit', exchangeEvent());
    await stored(1);
    await Promise.all(Array.from({ length: 100 }, () => audit.stream.append('audit', exchangeEvent())));
    await stored(101);
    const writing = batches.filter((statements) => statements.some((sql) => sql.includes('INTO audit.event ')));
    expect(Math.max(...writing.map(({ length }) => length))).toBeLessThanOrEqual(7);
    // One hundred that came at once may be taken in a few steps.
    expect(writing.length).toBeLessThan(20);
  });

  test('takes both streams, and an event that is in both only once', async () => {
    const twice = exchangeEvent();
    await audit.stream.append('audit', twice);
    await stored(1);
    await audit.stream.append('refusals', twice);
    const refused = exchangeEvent({ outcome: 'denied' }, { type: 'dev.countersign.exchange.denied.v1' });
    await audit.stream.append('refusals', refused);
    expect((await stored(2)).map(({ event_id: id }) => id)).toEqual([twice.id, refused.id]);
  });

  test.each([
    ['a NUL in the data', exchangeEvent({ reason: 'a\u0000b' })],
    ['a lone surrogate in a member name', exchangeEvent({ ['\ud800']: 1 })],
    ['a NUL in the subject', exchangeEvent({}, { subject: '\u0000' })],
    ['more levels than can be hashed', exchangeEvent({ deep: JSON.parse('['.repeat(4_000) + ']'.repeat(4_000)) })],
    ['a time that is none', exchangeEvent({}, { time: 'yesterday-ish' })],
  ])('is not held up by an event that PostgreSQL refuses: %s', async (_, poison) => {
    const [before, after] = [exchangeEvent(), exchangeEvent()];
    await Promise.all([before, poison, after].map((event) => audit.stream.append('audit', event)));
    expect((await stored(3)).map(({ event_id: id }) => id)).toEqual([before.id, poison.id, after.id]);
    const { body } = await audit.call('GET', `/v1/events/${poison.id}`);
    expect(body).toMatchObject({ id: poison.id, type: poison.type, data: { reason: 'not_storable' } });
  });

  test('holds long subjects, and finds them', async () => {
    const subject = `github:${'ä'.repeat(4_000)}`;
    await audit.stream.append('audit', exchangeEvent({}, { subject }));
    await stored(1);
    const { body } = await audit.call('GET', `/v1/events?subject=${encodeURIComponent(subject.slice(0, 2_000))}`);
    expect(body.items).toHaveLength(1);
  });

  test.each([
    'UPDATE audit.event SET outcome = $$granted$$',
    'DELETE FROM audit.event',
    'DELETE FROM audit.event WHERE false',
    'TRUNCATE audit.event CASCADE',
    `SET session_replication_role = replica; DELETE FROM audit.event`,
  ])('cannot be changed, by the owner of the table either: %s', async (sql) => {
    await audit.stream.append('audit', exchangeEvent());
    await stored(1);
    await expect(audit.rows(sql)).rejects.toThrow('append-only');
    expect(await trail()).toHaveLength(1);
  });
});

describe('GET /v1/events', () => {
  const denied = { type: 'dev.countersign.exchange.denied.v1' } as const;
  const events = [
    exchangeEvent({ traceId: '1'.repeat(32) }, { time: '2026-01-01T00:00:00.000Z' }),
    exchangeEvent({ issuer: 'gitlab', decision: { roles: ['read', 'write'] } }, { time: '2026-01-02T00:00:00.000Z' }),
    exchangeEvent({ outcome: 'denied' }, { ...denied, subject: "x' OR 1=1 --", time: '2026-01-03T00:00:00.000Z' }),
    exchangeEvent({ outcome: 'denied', issuer: null, decision: null }, { ...denied, time: '2026-01-04T00:00:00.000Z' }),
  ];

  beforeAll(async () => {
    await start();
    for (const event of events) await audit.stream.append('audit', event);
    await stored(events.length);
  });
  afterAll(stop);

  test.each<[string, number[]]>([
    ['', [3, 2, 1, 0]],
    ['type=dev.countersign.exchange.denied.v1', [3, 2]],
    ['issuer=github', [2, 0]],
    ['issuer=git', []],
    ['role=write', [1]],
    ['role=wri', []],
    ['outcome=denied', [3, 2]],
    ['outcome=denied&issuer=github', [2]],
    [`traceId=${'1'.repeat(32)}`, [0]],
    [`subject=${encodeURIComponent("x' OR 1=1 --")}`, [2]],
    ['subject=%25', []],
    ['from=2026-01-03T00:00:00Z', [3, 2]],
    ['to=2026-01-03T00:00:00Z', [1, 0]],
    ['from=2026-01-02T01:00:00%2B01:00&to=2026-01-02T00:00:00.001Z', [1]],
    ['limit=2', [3, 2]],
  ])('answers the matching events, newest first: %s', async (query, wanted) => {
    const { status, body } = await audit.call('GET', `/v1/events?${query}`);
    expect(status).toBe(200);
    expect(body.items.map(({ id }: { id: string }) => events.findIndex((event) => event.id === id))).toEqual(wanted);
  });

  test('shows the event as it was recorded, with its sequence as text', async () => {
    const { body } = await audit.call('GET', `/v1/events/${events[1]?.id}`);
    expect(body).toEqual({ ...events[1], sequence: '2' });
  });

  test('pages through everything once, also while events arrive', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const { body } = await audit.call('GET', `/v1/events?limit=1${query}`);
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.nextCursor;
      await audit.stream.append('audit', exchangeEvent());
    } while (cursor !== null);
    expect(seen).toEqual(events.map(({ id }) => id).reverse());
  });

  test.each([
    'limit=0',
    'limit=501',
    'limit=-1',
    'limit=1.5',
    'limit=',
    'limit=1&limit=2',
    'cursor=nonsense',
    'cursor=',
    `cursor=${Buffer.from('p1 OR 1=1').toString('base64url')}`,
    `cursor=${Buffer.from('p99999999999999999999').toString('base64url')}`,
    `cursor=${Buffer.from('p9999999999999999999').toString('base64url')}`,
    'type=nonsense',
    'from=yesterday',
    'to=2026-13-01T00:00:00Z',
    'subject=%00',
    'subject=',
    'sort=time',
    'trace_id=1',
  ])('refuses %s with 422', async (query) => {
    const { status, headers, body } = await audit.call('GET', `/v1/events?${query}`);
    expect(status).toBe(422);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json\b/);
    expect(body).toMatchObject({ status: 422, traceId: expect.stringMatching(/^[0-9a-f]{32}$/) });
  });

  test.each(['unknown', '%00', '%ff', encodeURIComponent('ä'), 'x'.repeat(65), "'"])(
    'knows no event %s: 404',
    async (id) => {
      expect((await audit.call('GET', `/v1/events/${id}`)).status).toBe(id === '%ff' ? 400 : 404);
    },
  );
});

describe('access', () => {
  beforeAll(start);
  afterAll(stop);

  const routes: [string, string, string][] = [
    ['GET', '/v1/events', 'Audit:Read'],
    ['GET', '/v1/events/x', 'Audit:Read'],
    ['GET', '/v1/webhooks', 'Webhook:Admin'],
    ['GET', '/v1/webhooks/x', 'Webhook:Admin'],
    ['POST', '/v1/webhooks', 'Webhook:Admin'],
    ['PATCH', '/v1/webhooks/x', 'Webhook:Admin'],
    ['DELETE', '/v1/webhooks/x', 'Webhook:Admin'],
    ['GET', '/v1/webhooks/x/deliveries', 'Webhook:Admin'],
    ['POST', '/v1/webhooks/x/test', 'Webhook:Admin'],
    ['POST', '/v1/webhooks/x/rotate-secret', 'Webhook:Admin'],
    ['POST', '/v1/webhooks/x/recover', 'Webhook:Admin'],
    ['POST', '/v1/deliveries/x/redeliver', 'Webhook:Admin'],
    ['POST', '/v1/erasures', 'Audit:Erase'],
  ];

  async function accessToken(): Promise<string> {
    const key = await generateSigningKey('ES256');
    audit.access.keys = [key.publicJwk];
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: PUBLIC_URL,
      sub: 'github:ops',
      aud: PUBLIC_URL,
      exp: now + 60,
      iat: now,
      nbf: now,
      jti: 'j',
      client_id: 'github',
      scope: '',
      roles: ['r'],
      policy: ['p'],
      fed: { iss: 'https://x', sub: 'ops', jti: null, claims: {} },
    } as unknown as AccessTokenClaims;
    return signAccessToken({ claims, key });
  }

  test.each(routes)('%s %s needs a token, and one that may', async (method, path, action) => {
    const without = await audit.call(method, path, undefined, null);
    expect([without.status, without.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect((await audit.call(method, path, undefined, 'x'.repeat(64))).status).toBe(401);
    const token = await accessToken();
    audit.access.allowed = ['Audit:Read', 'Audit:Erase', 'Webhook:Admin'].filter((other) => other !== action);
    const refused = await audit.call(method, path, undefined, token);
    expect([refused.status, refused.body.type]).toEqual([403, 'https://countersign.dev/problems/insufficient_scope']);
    audit.access.allowed = [action];
    expect([200, 404, 422]).toContain((await audit.call(method, path, undefined, token)).status);
  });
});
