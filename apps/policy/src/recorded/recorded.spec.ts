import { SqlAuditStream } from '@countersign/messaging';
import { Clock } from '@countersign/platform';
import { PolicyDatabase } from '../policy-database';
import { anotherBus, eventually, PolicyServices, silent, type PolicyService } from '../policy-service.fixture';
import {
  DAY_MS,
  attempts,
  daysAgo,
  exchangeEvent,
  GITHUB,
  refusedEvent,
  unverifiedEvent,
} from './exchange-events.fixture';
import { ExchangePruning } from './exchange-pruning';
import { ExchangeWriter } from './exchange-writer';
import { RecordBounds } from './record-bounds';
import type { AskedExchange } from './recorded-exchange';
import { RecordedExchanges } from './recorded-exchanges';

const services = new PolicyServices();
let service: PolicyService;
let recorded: RecordedExchanges;

beforeAll(async () => {
  service = await services.start();
  recorded = new RecordedExchanges(service.database);
});

afterAll(() => services.stop());

const countOf = async (): Promise<number> =>
  (await service.database.query<{ count: number }>('SELECT count(*)::int AS count FROM policy.recorded_exchanges'))[0]
    ?.count ?? 0;
const untilRecorded = (count: number): Promise<number> => eventually(countOf, (now) => now >= count, 30_000);
const writer = (bounds?: RecordBounds): ExchangeWriter =>
  new ExchangeWriter(service.database, new Clock(), silent, bounds);

async function within(from: Date, to: Date): Promise<AskedExchange[]> {
  const found: AskedExchange[] = [];
  for await (const batch of recorded.askedWithin({ from, to })) found.push(...batch);
  return found;
}

beforeEach(() => service.sql('TRUNCATE policy.recorded_exchanges'));

describe('the record of exchanges', () => {
  it('gets every attempt from the streams, whole and once, whichever stream it is in', async () => {
    const statements = [{ policy: 'p', sid: null }];
    const decision = { roles: ['deploy'], shadowRoles: [], policies: ['p'], statements, revision: 3 };
    const permissions = [{ type: 'countersign_permission' as const, actions: ['a'], resources: ['r'] }];
    const request = {
      ...{ audience: ['a'], resource: ['https://r'], scope: 'role:deploy' },
      ...{ roles: ['deploy'], policies: null, permissions },
    };
    const granted = exchangeEvent({ decision, request });
    const refused = unverifiedEvent({ detail: 'no key fits', traceId: 't' });
    await service.stream.append('audit', granted);
    await service.stream.append('refusals', refused);
    await service.stream.append('audit', { ...exchangeEvent(), type: 'dev.countersign.policy.applied.v1' });
    await service.stream.append('audit', { ...exchangeEvent(), data: { outcome: 'granted' } });
    await service.stream.append('audit', exchangeEvent());
    await untilRecorded(3);
    expect(await recorded.findByEventId(granted.id)).toEqual({
      eventId: granted.id,
      traceId: granted.data['traceId'],
      time: new Date(granted.time),
      outcome: 'granted',
      ...{ class: null, reason: null, detail: null, issuer: 'github', subject: 'repo:acme/web:ref:refs/heads/main' },
      claims: { iss: GITHUB, aud: 'countersign', sub: 'repo:acme/web:ref:refs/heads/main' },
      unverified: null,
      ...{ audience: ['a'], resource: ['https://r'], scope: 'role:deploy', sourceIp: '203.0.113.7' },
      narrowedTo: { roles: ['deploy'], policies: null, permissions },
      ...{ roles: ['deploy'], policies: ['p'], statements, revision: 3 },
      decidable: true,
    });
    expect(await recorded.findByTraceId('t')).toMatchObject([
      {
        ...{ eventId: refused.id, class: 'token not valid', reason: 'verify', detail: 'no key fits', claims: null },
        unverified: { header: { alg: 'RS256' }, claims: { sub: 'somebody' } },
        decidable: false,
      },
    ]);
    expect(await countOf()).toBe(3);
  });

  it('has what happened while the service was down', async () => {
    const before = await services.start();
    await before.stop();
    const database = new PolicyDatabase({ url: before.databaseUrl, logger: silent });
    await database.whenReady();
    const stream = new SqlAuditStream({ query: (sql, parameters) => database.query(sql, parameters), logger: silent });
    const events = [exchangeEvent(), exchangeEvent()];
    for (const event of events) await stream.append('audit', event);
    await services.startOn(before.databaseUrl, anotherBus());
    const record = new RecordedExchanges(database);
    for (const { id } of events)
      await eventually(
        () => record.findByEventId(id),
        (found) => found !== null,
        30_000,
      );
    await stream.close();
    await database.close();
  });

  it('has an event once that is delivered again', async () => {
    const batch = attempts(exchangeEvent(), refusedEvent(), exchangeEvent());
    expect(await writer().store(batch)).toBe(3);
    expect(await writer().store([...batch, ...attempts(exchangeEvent())])).toBe(1);
    expect(await writer().store([...batch, ...batch])).toBe(0);
    expect(await countOf()).toBe(4);
  });

  it('costs one statement a batch, whatever its size', async () => {
    const batches = [1, 100].map((size) => attempts(...Array.from({ length: size }, () => exchangeEvent())));
    const asked = jest.spyOn(service.database, 'query');
    for (const batch of batches) expect(await writer().store(batch)).toBe(batch.length);
    expect(asked.mock.calls.filter(([sql]) => !sql.includes('embedded.'))).toHaveLength(batches.length);
    asked.mockRestore();
  });

  it('keeps the claims of each with it, whatever stands in them', async () => {
    const claims = [{ sub: 'a\nb\u2028', n: '\\n"\r' }, null, { sub: 'null', n: null }, {}];
    const events = claims.map((each) => exchangeEvent({ claims: each }));
    expect(await writer().store(attempts(...events))).toBe(events.length);
    const found = await Promise.all(events.map(({ id }) => recorded.findByEventId(id)));
    expect(found.map((each) => each?.claims)).toEqual(claims);
  });

  it('compresses long claims with lz4 where PostgreSQL can', async () => {
    const [found] = await service.database.query<{ can: boolean; does: boolean }>(`
      SELECT 'lz4' = ANY (enumvals) AS can, attcompression = 'l' AS does FROM pg_settings, pg_attribute
      WHERE name = 'default_toast_compression' AND attrelid = 'policy.recorded_exchanges'::regclass
        AND attname = 'claims'`);
    expect(found?.does).toBe(found?.can);
    const long = exchangeEvent({ claims: { sub: 'x'.repeat(20_000) } });
    await writer().store(attempts(long));
    expect((await recorded.findByEventId(long.id))?.claims).toEqual(long.data['claims']);
  });

  it('passes over what PostgreSQL cannot hold, and keeps what came with it', async () => {
    const batch = attempts(exchangeEvent(), exchangeEvent({ detail: 'a\u0000b' }), exchangeEvent());
    expect(await writer().store(batch)).toBe(2);
  });

  it('gives what can be decided again of a time range, oldest first, with both ends', async () => {
    const times = [5, 4, 3, 2, 1].map(daysAgo);
    const events = times.map((time, at) => (at === 2 ? unverifiedEvent({}, time) : exchangeEvent({}, time)));
    await writer().store(attempts(...[...events].reverse()));
    const range = [times[1], times[4]] as [Date, Date];
    expect((await within(...range)).map(({ eventId }) => eventId)).toEqual([1, 3, 4].map((at) => events[at]?.id));
    expect(await recorded.count({ from: range[0], to: range[1] })).toEqual({ decidable: 3, undecidable: 1 });
  });

  it('gives all of a range that has more than one batch, many at one time included', async () => {
    const time = daysAgo(1);
    const events = Array.from({ length: 2_300 }, () => exchangeEvent({}, time));
    await writer().store(attempts(...events));
    expect(new Set((await within(time, time)).map(({ eventId }) => eventId)).size).toBe(2_300);
  });
});

describe('the bounds of the record', () => {
  class SmallBounds extends RecordBounds {
    override readonly most = { granted: 3, refused: 2, unverified: 1 };
  }
  const prune = (bounds?: RecordBounds): Promise<number> =>
    new ExchangePruning(service.database, new Clock(), silent, bounds).prune();

  it('keeps 90 days, and nothing older is let in', async () => {
    class AnyAge extends RecordBounds {
      override readonly maxAgeMs = Infinity;
    }
    const ages = [1, 89, 91, 400].map((days) => exchangeEvent({}, daysAgo(days)));
    expect(await writer().store(attempts(...ages))).toBe(2);
    expect(await writer(new AnyAge()).store(attempts(...ages))).toBe(2);
    expect(await prune()).toBe(2);
    expect(await countOf()).toBe(2);
  });

  it('keeps the newest of each family, and strangers push out nothing of the others', async () => {
    const events = [4, 3, 2, 1].flatMap((days) =>
      [exchangeEvent, refusedEvent, unverifiedEvent].map((make) => make({}, daysAgo(days))),
    );
    await writer().store(attempts(...events));
    expect(await prune(new SmallBounds())).toBe(6);
    const rows = await service.database.query<{ family: string; oldest: Date }>(
      'SELECT family, min(time) AS oldest FROM policy.recorded_exchanges GROUP BY family ORDER BY family',
    );
    expect(rows.map(({ family }) => family)).toEqual(['granted', 'refused', 'unverified']);
    expect(rows.map(({ oldest }) => Math.round((Date.now() - oldest.getTime()) / DAY_MS))).toEqual([3, 2, 1]);
  });
});
