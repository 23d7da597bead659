import { startPostgres, type TestServer } from '@countersign/testing';
import { exchangeEvent, startAudit, until, type AuditUnderTest } from '../audit.fixture';

/** More than two pages of the export. */
const COUNT = 1_101;
const PATH = '/v1/events/export';

let server: TestServer;
let audit: AuditUnderTest;

/** As if they had been recorded long ago, in another order than they happened. */
const FILL = `
  INSERT INTO audit.event (sequence, event_id, type, time, issuer, outcome, roles, stream, stream_sequence, event)
  SELECT n, event->>'id', event->>'type', (event->>'time')::timestamptz, 'github', 'granted', '{}', 'audit', n, event
  FROM (SELECT n, jsonb_set(jsonb_set($1::jsonb, '{id}', to_jsonb('event-' || n)), '{time}',
    to_jsonb(to_char(timestamp '2026-01-01' + (n * 7919 % $2::int) * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
  ) AS event FROM generate_series(1, $2::int) n) made`;

interface Line {
  id: string;
  time: string;
  sequence: string;
}
const lines = async (query: string): Promise<Line[]> => {
  const text = (await audit.bytes(`${PATH}${query}`)).toString();
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
};

/** An export, once those that were left are over. */
const turn = (signal?: AbortSignal): Promise<Response> =>
  until('a turn', async () => {
    const answer = await audit.fetch(PATH, signal === undefined ? {} : { signal });
    return answer.status === 200 ? answer : answer.text().then(() => null);
  });

beforeAll(async () => {
  server = await startPostgres();
  audit = await startAudit(server);
  await audit.rows(FILL, [JSON.stringify(exchangeEvent()), COUNT]);
});
afterAll(async () => {
  await audit?.stop();
  await server?.stop();
});

describe('GET /v1/events/export', () => {
  test('has every event once, oldest first, exactly as the trail shows it', async () => {
    const all = await lines('');
    expect(all).toHaveLength(COUNT);
    expect(new Set(all.map(({ id }) => id)).size).toBe(COUNT);
    expect(all.map(({ time }) => time)).toEqual(all.map(({ time }) => time).sort());
    const { body } = await audit.call('GET', `/v1/events/${all[600]?.id}`);
    expect(all[600]).toEqual(body);
  });

  test('is a span of time: from it on, and before its end', async () => {
    const [from, to] = ['2026-01-01T00:00:10Z', '2026-01-01T00:00:13Z'];
    const times = (await lines(`?from=${from}&to=${to}`)).map(({ time }) => time);
    expect(times).toEqual(['2026-01-01T00:00:10Z', '2026-01-01T00:00:11Z', '2026-01-01T00:00:12Z']);
    expect(await lines(`?from=${to}&to=${from}`)).toEqual([]);
    expect(await lines('?issuer=gitlab')).toEqual([]);
  });

  test('a span of time is paged through once and in the order of time as well', async () => {
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const { body } = await audit.call('GET', `/v1/events?to=2026-01-01T00:10:00Z&limit=250${cursor}`);
      seen.push(...(body.items as Line[]).map(({ time }) => time));
      if (body.nextCursor === null) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    expect(seen).toHaveLength(600);
    expect(seen).toEqual([...new Set(seen)].sort().reverse());
  });

  test('writes OCSF where it is asked for', async () => {
    const [first] = await lines('?format=ocsf');
    expect(first).toMatchObject({ class_uid: 3002, type_uid: 300_201, metadata: { product: { name: 'countersign' } } });
  });

  test.each(['format=csv', 'format=', 'limit=1', 'cursor=cDE', 'from=yesterday'])(
    'refuses %s with 422',
    async (query) => {
      expect((await audit.call('GET', `${PATH}?${query}`)).status).toBe(422);
    },
  );

  test('needs Audit:Read', async () => {
    expect((await audit.call('GET', PATH, undefined, null)).status).toBe(401);
  });

  test('clients that go away in the middle take nobody else their turn', async () => {
    for (let count = 0; count < 12; count += 1) {
      const leaving = new AbortController();
      const response = await turn(leaving.signal);
      await response.body?.getReader().read();
      leaving.abort();
    }
    expect((await (await turn()).text()).split('\n')).toHaveLength(COUNT + 1);
  });

  test('breaks off when the database is lost on the way: half of it never looks whole', async () => {
    const query = audit.database.query.bind(audit.database);
    let pages = 0;
    const lost = jest.spyOn(audit.database, 'query').mockImplementation((sql: string, ...rest: unknown[]) => {
      if (sql.includes('ORDER BY time') && (pages += 1) > 1) return Promise.reject(new Error('lost'));
      return (query as (...all: unknown[]) => Promise<never>)(sql, ...rest);
    });
    const answer = await turn();
    await expect(answer.text()).rejects.toThrow();
    lost.mockRestore();
    expect(await lines('')).toHaveLength(COUNT);
  });
});
