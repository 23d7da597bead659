import type { CloudEvent, RecordedEvent } from '@countersign/contracts';
import { Logger, Metrics, UnavailableError } from '@countersign/platform';
import { startPostgres, type TestServer } from '@countersign/testing';
import {
  LogCheck,
  openCheckpoint,
  parseVerifierKey,
  splitEntries,
  splitHashes,
  verifyConsistency,
  verifyInclusion,
  type LogFault,
  type TreeHead,
} from '@countersign/transparency-log';
import { ENVIRONMENT, exchangeEvent, Receiver, startAudit, until, type AuditUnderTest } from '../audit.fixture';
import { AuditConfig } from '../config';
import { LogSettings } from '../log/log-settings';
import { Retention, type AfterStep } from './retention';

const DAYS = 30;
const EXPIRED = 'dev.countersign.audit.expired.v1';
const QUICK = Object.assign(new LogSettings(), { intervalMs: 20 });

let server: TestServer;
let audit: AuditUnderTest;
let retention: Retention;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server?.stop());
afterEach(() => audit?.stop());

/** Retention is at work by itself only where it is told how long; elsewhere `retention` is stepped. */
async function start(retentionDays?: number): Promise<void> {
  audit = await startAudit(server, { delays: [3_600] }, { log: QUICK, ...(retentionDays ? { retentionDays } : {}) });
  const config = new AuditConfig({ ...ENVIRONMENT, COUNTERSIGN_AUDIT_RETENTION_DAYS: String(DAYS) });
  retention = new Retention(audit.database, audit.stream, config, new Logger('audit', 'silent'), new Metrics());
}

async function append(count: number, make = exchangeEvent): Promise<CloudEvent[]> {
  const events = Array.from({ length: count }, () => make());
  await Promise.all(events.map((event) => audit.stream.append('audit', event)));
  const sql = 'SELECT 1 FROM audit.event WHERE event_id = ANY ($1)';
  await until('the events', async () => (await audit.rows(sql, [events.map(({ id }) => id)])).length === count);
  return events;
}

/** Asked again while it is unavailable, as on a machine busy with other tests. */
const get = (path: string): ReturnType<AuditUnderTest['call']> =>
  until('an answer', async () => {
    const answer = await audit.call('GET', path);
    return answer.status === 503 ? null : answer;
  });
const hash = (text: string): Buffer => Buffer.from(text, 'base64');

/** As if everything had been recorded so long ago; the database's own clock is nobody's to move. */
const age = (days: number): Promise<unknown[]> =>
  audit.rows('UPDATE audit.event_partition SET begun_at = begun_at - make_interval(days => $1)', [days]);
const partitions = async (): Promise<number[]> =>
  (await audit.rows<{ number: number }>('SELECT number FROM audit.event_partition ORDER BY number')).map(
    ({ number }) => number,
  );

async function head(size: number): Promise<TreeHead> {
  const key = parseVerifierKey((await get('/v1/checkpoint/key')).body.trim());
  return until(`a checkpoint of ${size}`, async () => {
    const opened = key && openCheckpoint((await get('/v1/checkpoint')).body, key);
    return opened?.ok && opened.head.size >= size ? opened.head : null;
  });
}

/** Who reads for longer than a lock is waited for puts it off. */
function notNow(error: unknown): AfterStep {
  if (error instanceof UnavailableError) return 'soon';
  throw error;
}

/** Steps until there is nothing to do now; what it waits for comes by itself. */
async function run(): Promise<void> {
  await until('retention to be done', async () => {
    const after = await retention.step(DAYS).catch(notNow);
    return after === 'later';
  });
}

/** A partition of these events, all of them older than they are kept, and a newer one of others. */
async function twoPartitions(olds: number, news: number): Promise<{ old: CloudEvent[]; kept: CloudEvent[] }> {
  const old = await append(olds);
  await age(DAYS);
  await run();
  const kept = await append(news);
  await head(olds + news);
  await age(DAYS);
  return { old, kept };
}

async function bundles(size: number): Promise<{ entries: string[]; leaves: Buffer[] }> {
  const [entries, leaves]: [string[], Buffer[]] = [[], []];
  for (let index = 0; index * 256 < size; index += 1) {
    const width = Math.min(256, size - index * 256);
    const place = `${String(index).padStart(3, '0')}${width === 256 ? '' : `.p/${width}`}`;
    entries.push(...splitEntries(await audit.bytes(`/v1/tile/entries/${place}`)));
    leaves.push(...splitHashes(await audit.bytes(`/v1/tile/0/${place}`)));
  }
  return { entries, leaves };
}

/** What `countersign audit verify` finds in an export of now. */
async function verifyExport(heads: TreeHead[]): Promise<{ fault: LogFault | null; removed: number; rows: number }> {
  const newest = await head(1);
  const { entries, leaves } = await bundles(newest.size);
  const check = new LogCheck({ heads: [...heads, newest], leaves });
  for (const entry of entries) {
    const { sequence, type, data } = JSON.parse(entry || '{}') as Partial<RecordedEvent>;
    const fault = entry === '' ? check.addRemoved() : check.add(entry, Number(sequence));
    if (fault !== null) return { fault, removed: check.removed, rows: check.rows };
    if (type === EXPIRED) check.allowRemoved(Number(data?.lastSequence));
  }
  return { fault: check.end(), removed: check.removed, rows: check.rows };
}

describe('events older than the trail is kept', () => {
  test('go by themselves, recorded in the trail before, while newer ones stay', async () => {
    await start(DAYS);
    const old = await append(20);
    await age(DAYS);
    await until('a second partition', async () => (await partitions()).length === 2);
    const kept = await append(5);
    await age(DAYS);
    const record = await until('the removal', async () => {
      const { body } = await get(`/v1/events?type=${EXPIRED}`);
      return (await partitions())[0] === 2 ? body.items[0] : null;
    });
    expect(record.data).toMatchObject({
      outcome: 'expired',
      firstSequence: '1',
      lastSequence: '20',
      retentionDays: DAYS,
      checkpoint: expect.stringMatching(/^sts\.countersign\.test\n2\d\n/),
    });
    for (const { id } of old) expect((await get(`/v1/events/${id}`)).status).toBe(404);
    for (const { id } of kept) expect((await get(`/v1/events/${id}`)).status).toBe(200);
    expect((await get(`/v1/events/${old[0]?.id}/proof`)).status).toBe(404);
    const { body } = await get('/v1/events?role=deploy');
    expect(body.items.map(({ id }: CloudEvent) => id).sort()).toEqual(kept.map(({ id }) => id).sort());
    expect(await audit.metric('countersign_audit_removed_total')).toBe(20);
    expect(await audit.rows('SELECT min(sequence)::int AS first FROM audit.event_role')).toEqual([{ first: 21 }]);
  });

  test('stay, all of them, when nobody says how long', async () => {
    await start();
    const old = await append(3);
    await age(4_000);
    await append(1);
    expect([await partitions(), (await get('/v1/events')).body.items.length]).toEqual([[1], 4]);
    expect((await get(`/v1/events/${old[0]?.id}`)).status).toBe(200);
  });

  test.each<[string, number, number]>([
    ['with the tile that they end in full', 300, 300],
    ['within one tile', 7, 5],
    ['with full tiles only', 256, 3],
  ])('leave their hashes, so that proofs and exports verify: %s', async (_, olds, news) => {
    await start();
    const { kept } = await twoPartitions(olds, news);
    const [before, { leaves }] = [await head(olds + news), await bundles(olds)];
    await run();
    expect(await partitions()).toEqual([2, 3]);
    await append(260);
    const { size, root } = await head(olds + news + 261);
    const { body } = await get(`/v1/checkpoint/consistency?first=${before.size}`);
    const roots = { firstRoot: before.root, secondRoot: root };
    expect(verifyConsistency({ first: before.size, second: body.second, ...roots, proof: body.proof.map(hash) })).toBe(
      true,
    );
    const { body: proof } = await get(`/v1/events/${kept[0]?.id}/proof`);
    const place = { leaf: hash(proof.leafHash), index: proof.index, size: proof.size, root: hash(proof.root) };
    expect(verifyInclusion({ ...place, proof: proof.proof.map(hash) })).toBe(true);
    const after = await bundles(size);
    expect(after.leaves.slice(0, olds)).toEqual(leaves);
    expect(after.entries.slice(0, olds)).toEqual(Array<string>(olds).fill(''));
    expect(await verifyExport([before])).toEqual({ fault: null, removed: olds, rows: size });
    expect(await audit.metric('countersign_audit_trail_tampered')).toBe(0);
  });

  test('go one partition after the other, and never the newest', async () => {
    await start();
    for (let round = 0; round < 3; round += 1) await twoPartitions(2, 2);
    await age(10 * DAYS);
    await run();
    await age(10 * DAYS);
    await run();
    expect(await partitions()).toHaveLength(2);
    const [newest] = (await get('/v1/events')).body.items;
    expect(newest.type).toBe(EXPIRED);
    expect((await verifyExport([])).fault).toBeNull();
  });
});

describe('after a removal', () => {
  const tamper = async (sql: string): Promise<void> => {
    await audit.rows('ALTER TABLE audit.event DISABLE TRIGGER append_only');
    const [{ name } = { name: '' }] = await audit.rows<{ name: string }>(
      `SELECT max(number)::text AS name FROM audit.event_partition WHERE number < 3`,
    );
    await audit.rows(`ALTER TABLE audit.event_${name} DISABLE TRIGGER append_only`);
    await audit.rows(sql);
  };

  test.each<[string, string, LogFault['kind'], number]>([
    ['an edited event', `UPDATE audit.event SET event = event || '{"subject":"x"}' WHERE sequence = 12`, 'edited', 12],
    ['one event more that is gone', 'DELETE FROM audit.event WHERE sequence = 11', 'removed', 11],
  ])('the export shows %s', async (_, sql, kind, row) => {
    await start();
    await twoPartitions(10, 246);
    await run();
    await head(257);
    await tamper(sql);
    expect((await verifyExport([])).fault).toEqual({ kind, row, lastRow: row });
  });

  test('a removal that the trail does not tell of shows: the owner dropped more', async () => {
    await start();
    await twoPartitions(10, 246);
    await run();
    await head(257);
    await audit.rows('DROP TABLE audit.event_2, audit.event_role_2');
    await audit.rows('DELETE FROM audit.event_partition WHERE number = 2');
    expect((await verifyExport([])).fault).toEqual({ kind: 'removed', row: 11, lastRow: 256 });
  });

  test('keys of subjects without an event are gone, and erasure finds what is kept', async () => {
    await start();
    const of = (sub: string) => () => exchangeEvent({ claims: { sub } }, { subject: `github:${sub}` });
    await append(3, of('ada'));
    await append(2, of('grace'));
    await age(DAYS);
    await run();
    await append(4, of('grace'));
    await head(9);
    await age(DAYS);
    const keys = () => audit.rows('SELECT 1 FROM audit.subject_key');
    expect(await keys()).toHaveLength(2);
    await run();
    expect(await keys()).toHaveLength(1);
    const body = { issuer: 'github', subject: 'grace', reason: 'request 4711' };
    expect((await audit.call('POST', '/v1/erasures', body)).body).toEqual({ erased: 4 });
    expect((await verifyExport([])).fault).toBeNull();
  });

  test('a stream of events goes on with the oldest that is kept, and says so', async () => {
    await start();
    const { kept } = await twoPartitions(10, 2);
    await run();
    const lastEventId = Buffer.from('p3').toString('base64url');
    const closing = new AbortController();
    const response = await audit.fetch('/v1/events/stream', {
      headers: { 'last-event-id': lastEventId },
      signal: closing.signal,
    });
    let text = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      if (kept.every(({ id }) => text.includes(id))) break;
    }
    closing.abort();
    expect(text).toContain(': events up to sequence 10 were removed by retention\n\n');
    expect(text.match(/"sequence":"\d+"/g)?.slice(0, 2)).toEqual(['"sequence":"11"', '"sequence":"12"']);
  });
});

describe('deliveries of old events', () => {
  let receiver: Receiver;
  let answer: number;
  let url: string;

  beforeEach(async () => {
    answer = 500;
    receiver = new Receiver((response) => void response.writeHead(answer).end());
    url = await receiver.start();
    await start();
  });
  afterEach(() => receiver.stop());

  const deliveries = async (id: string) => (await get(`/v1/webhooks/${id}/deliveries`)).body.items;

  test('keep their partition until they are delivered, and then go with it', async () => {
    const { body: hook } = await audit.call('POST', '/v1/webhooks', { url, types: [exchangeEvent().type] });
    const { old } = await twoPartitions(3, 1);
    await until('attempts', async () =>
      (await deliveries(hook.id)).every(({ status }: { status: string }) => status === 'retrying'),
    );
    await run();
    expect(await partitions()).toContain(1);
    expect((await get(`/v1/events?type=${EXPIRED}`)).body.items).toEqual([]);
    answer = 200;
    audit.clock.added = 5 * 3_600_000;
    const delivered = await until('deliveries', async () => {
      const all = await deliveries(hook.id);
      return all.length === 4 && all.every(({ status }: { status: string }) => status === 'delivered') ? all : null;
    });
    await run();
    expect(await partitions()).not.toContain(1);
    const gone = delivered.filter(({ eventId }: { eventId: string }) => old.some(({ id }) => id === eventId));
    for (const { id } of gone) expect((await audit.call('POST', `/v1/deliveries/${id}/redeliver`)).status).toBe(404);
    expect(await deliveries(hook.id)).toHaveLength(1);
    await audit.rows('UPDATE audit.event_partition SET begun_at = now() - make_interval(days => 3)');
    const since = new Date(Date.now() - 5 * 86_400_000).toISOString();
    const recovery = await audit.call('POST', `/v1/webhooks/${hook.id}/recover?since=${since}`);
    expect([recovery.status, recovery.body.detail]).toEqual([422, expect.stringContaining('removed by retention')]);
  });
});
