import { UnavailableError } from '@countersign/platform';
import { startPostgres, type TestServer } from '@countersign/testing';
import type { EntityManager } from 'typeorm';
import { exchangeEvent, startAudit, until, type AuditUnderTest } from '../audit.fixture';

// A page costs as much as it shows, however long the trail is and wherever what it asks for lies in it. What is counted
// is the blocks that PostgreSQL touches, as they do not depend on the machine; the time is told, and held in the soak.

const isSoak = process.env.COUNTERSIGN_SOAK === '1';
const ROWS = Number(process.env.COUNTERSIGN_ROWS ?? (isSoak ? 10_000_000 : 40_000));
/** As many as retention makes at most, all of them with events; without it there is one, and a page costs less. */
const PARTITIONS = 14;
const PER_STATEMENT = Math.min(100_000, Math.ceil(ROWS / PARTITIONS));
/** 51 rows wherever they lie, each found by an index, some in vain. */
const MOST_BLOCKS = 700;
const WITHIN_MS = 50;
const ROUNDS = 5;

/** One event in a second. What is called old is in the first tenth of the trail alone. */
const FILL = `
  INSERT INTO audit.event (sequence, event_id, type, time, issuer, subject, outcome, roles, trace_id, stream,
    stream_sequence, event)
  SELECT n, 'event-' || n, type, at, issuer, 'github:repo:acme/' || n % 10007, outcome,
    ARRAY['all', CASE WHEN n < $3::int / 10 THEN 'old' ELSE 'role-' || n % 211 END], md5(n::text), 'audit', n,
    $4::jsonb || jsonb_build_object('id', 'event-' || n, 'type', type, 'time', at)
  FROM generate_series($1::int, $2::int) n,
    LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 second' + (n::bigint * 7919 % 10) * interval '1 second' AS at,
      CASE WHEN n < $3::int / 10 AND n % 10 = 0 THEN 'dev.countersign.token.revoked.v1'
        WHEN n % 1009 = 0 THEN 'dev.countersign.policy.applied.v1'
        WHEN n % 10 = 1 THEN 'dev.countersign.exchange.denied.v1'
        ELSE 'dev.countersign.exchange.granted.v1' END AS type,
      CASE n % 10 WHEN 1 THEN 'denied' ELSE 'granted' END AS outcome,
      CASE WHEN n % 1009 = 0 THEN 'rare' WHEN n % 3 = 0 THEN 'gitlab' ELSE 'github' END AS issuer) made`;

const instant = (part: number): string => new Date(Date.UTC(2026, 0, 1) + ROWS * part * 1_000).toISOString();

let server: TestServer;
let audit: AuditUnderTest;

beforeAll(async () => {
  server = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '8GB' } });
  // No checkpoints meanwhile: hashing what was never recorded would keep a core busy.
  audit = await startAudit(server, {}, { log: { intervalMs: 24 * 3_600_000, witnessIntervalMs: 24 * 3_600_000 } });
  await until('the trail', () => audit.database.transaction(fill, { limitMs: 10 * 60_000 }).catch(onBusyMachine));
}, 2 * 3_600_000);
afterAll(async () => {
  await audit?.stop();
  await server?.stop();
});

/** On a machine busy with other tests a connection may take too long. */
function onBusyMachine(error: unknown): false {
  if (error instanceof UnavailableError) return false;
  throw error;
}

async function fill(manager: EntityManager): Promise<true> {
  const event = JSON.stringify(exchangeEvent({ claims: { padding: 'x'.repeat(300) } }));
  const tables = ['audit.event_1', 'audit.event_role_1'];
  for (let [first, number] = [1, 1]; first <= ROWS; first += PER_STATEMENT) {
    if (first > (number * ROWS) / PARTITIONS) {
      await manager.query(`UPDATE audit.event_partition SET begun_at = begun_at - interval '1 day'`);
      expect(await manager.query('SELECT audit.begin_partition(1) AS begun')).toEqual([{ begun: true }]);
      number += 1;
      tables.push(`audit.event_${number}`, `audit.event_role_${number}`);
    }
    await manager.query(FILL, [first, Math.min(ROWS, first + PER_STATEMENT - 1), ROWS, event]);
  }
  expect(tables).toHaveLength(2 * PARTITIONS);
  // Not the partitioned tables: in production nobody does.
  await manager.query(`ANALYZE ${tables.join(', ')}`);
  return true;
}

type Plan = [{ Plan: Record<string, number> }];

/** Blocks that the statements of a call touch, by running them once more. */
async function blocksOf(call: () => Promise<unknown>): Promise<{ blocks: number; plan: string }> {
  const asked = jest.spyOn(audit.database, 'query');
  await call();
  const statements = asked.mock.calls.filter(([sql]) => sql.includes('FROM audit.event'));
  asked.mockRestore();
  let [blocks, plan] = [0, ''];
  for (const [sql, parameters] of statements) {
    const explain = `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${sql}`;
    const [row] = await audit.rows<{ 'QUERY PLAN': Plan }>(explain, parameters);
    const top = row?.['QUERY PLAN'][0].Plan ?? {};
    blocks += (top['Shared Hit Blocks'] ?? 0) + (top['Shared Read Blocks'] ?? 0);
    plan += JSON.stringify(top, null, 1);
  }
  return { blocks, plan };
}

async function medianMs(call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    await call();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Infinity;
}

describe(`a page of ${ROWS} events`, () => {
  test.each<[string, number]>([
    ['', 50],
    ['type=dev.countersign.exchange.granted.v1', 50],
    ['type=dev.countersign.policy.applied.v1', 35],
    ['type=dev.countersign.token.revoked.v1', 50],
    ['issuer=gitlab', 50],
    ['issuer=rare', 35],
    ['issuer=nobody', 0],
    [`subject=${encodeURIComponent('github:repo:acme/42')}`, 3],
    ['role=all', 50],
    ['role=role-17', 50],
    ['role=old', 50],
    ['role=nobody', 0],
    ['outcome=denied', 50],
    [`traceId=c4ca4238a0b923820dcc509a6f75849b`, 1],
    [`to=${instant(0.5)}`, 50],
    [`to=${instant(0.05)}`, 50],
    [`from=${instant(0.5)}`, 50],
    [`from=${instant(0.4)}&to=${instant(0.6)}`, 50],
    [`from=${instant(2)}`, 0],
    [`outcome=denied&to=${instant(0.5)}`, 50],
    [`role=all&to=${instant(0.5)}`, 50],
    ['outcome=denied&issuer=gitlab', 50],
    [`cursor=${Buffer.from(`p${ROWS / 2}`).toString('base64url')}`, 50],
    [`to=${instant(0.9)}&cursor=${Buffer.from(`p${ROWS / 2}`).toString('base64url')}`, 50],
  ])('costs what it shows: %s', async (query, atLeast) => {
    const call = (): ReturnType<AuditUnderTest['call']> => audit.call('GET', `/v1/events?${query}`);
    const { status, body } = await call();
    expect([status, body.items.length >= atLeast]).toEqual([200, true]);
    const [{ blocks, plan }, ms] = [await blocksOf(call), await medianMs(call)];
    if (isSoak)
      process.stdout.write(`${ms.toFixed(1).padStart(8)} ms ${String(blocks).padStart(7)} blocks  ${query}\n`);
    if (blocks > MOST_BLOCKS || (isSoak && ms > WITHIN_MS)) throw new Error(`${ms} ms, ${blocks} blocks\n${plan}`);
  });
});
