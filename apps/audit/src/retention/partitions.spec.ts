import { Logger } from '@countersign/platform';
import { Database } from '@countersign/postgres';
import { createTestDatabase, startPostgres, type TestServer } from '@countersign/testing';
import { exchangeEvent, startAudit, until } from '../audit.fixture';
import { AuditDatabase } from '../database';
import { LogSettings } from '../log/log-settings';
import { CreateAuditSchema1700000000000 } from '../migrations/1700000000000-create-audit-schema';
import { AddTransparencyLog1700000001000 } from '../migrations/1700000001000-add-transparency-log';
import { AddDeliveryChains1700000002000 } from '../migrations/1700000002000-add-delivery-chains';
import { AddDeliveryLimits1700000003000 } from '../migrations/1700000003000-add-delivery-limits';
import { SealPersonalData1700000004000 } from '../migrations/1700000004000-seal-personal-data';
import { AddTimeIndex1700000005000 } from '../migrations/1700000005000-add-time-index';
import { AddEventRoles1700000006000 } from '../migrations/1700000006000-add-event-roles';
import { AddLeaves1700000009000 } from '../migrations/1700000009000-add-leaves';

const logger = new Logger('audit', 'silent');
let server: TestServer;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server?.stop());

const INSERT = `
  INSERT INTO audit.event (sequence, event_id, type, time, roles, stream, stream_sequence, event)
  SELECT n, 'event-' || n, 'dev.countersign.exchange.granted.v1', now(), ARRAY['deploy'], 'audit', n,
    $3::jsonb || jsonb_build_object('id', 'event-' || n)
  FROM generate_series($1::int, $2::int) n`;
const insert = (database: Database, first: number, last: number): Promise<unknown[]> =>
  database.query(INSERT, [first, last, JSON.stringify(exchangeEvent())]);

const STORAGE = `
  SELECT reloptions AS options, s.attstorage AS sealed, e.attcompression AS compression FROM pg_class c
  JOIN pg_attribute s ON s.attrelid = c.oid AND s.attname = 'sealed'
  JOIN pg_attribute e ON e.attrelid = c.oid AND e.attname = 'event'
  WHERE c.oid = $1::regclass`;

describe('the functions that the service may call', () => {
  let place: Awaited<ReturnType<typeof createTestDatabase>>;
  let owner: Database;
  let service: AuditDatabase;
  let stranger: Database;

  /** A connection that migrates nothing. */
  const connection = async (url: string): Promise<Database> => {
    const made = new Database({ url, schema: 'public', entities: [], migrations: [], logger });
    await made.whenReady();
    return made;
  };
  const urlOf = (user: string): string => {
    const url = new URL(place.url);
    [url.username, url.password] = [user, 'secret'];
    return url.href;
  };

  beforeAll(async () => {
    place = await createTestDatabase(server);
    owner = await connection(place.url);
    for (const user of ['trail_service', 'trail_stranger'])
      await owner.query(`CREATE ROLE ${user} LOGIN PASSWORD 'secret'`);
    service = new AuditDatabase({ url: urlOf('trail_service'), migrationUrl: place.url, logger });
    stranger = await connection(urlOf('trail_stranger'));
    await service.whenReady();
    await insert(service, 1, 3);
    await owner.query(`UPDATE audit.event_partition SET begun_at = now() - interval '40 days'`);
  });
  afterAll(async () => {
    for (const database of [service, stranger, owner]) await database?.close();
    await place?.drop();
  });

  const call = async (name: string, days: number): Promise<unknown> =>
    (await service.query<{ answer: unknown }>(`SELECT audit.${name}($1) AS answer`, [days]))[0]?.answer;
  const checkpoint = (size: number): Promise<unknown[]> =>
    owner.query(`INSERT INTO audit.checkpoint VALUES ($1, decode(repeat('00', 32), 'hex'), 'note', now())`, [size]);

  // One after the other: each has all that the one before lacked.
  test('begin a partition a day at most, and none after an empty one', async () => {
    expect(await call('begin_partition', 3)).toBe(true);
    expect(await call('begin_partition', -1_000)).toBe(false);
    await owner.query(`UPDATE audit.event_partition SET begun_at = begun_at - interval '2 days'`);
    expect(await call('begin_partition', 1)).toBe(false);
    await insert(service, 4, 5);
    expect(await call('begin_partition', 1)).toBe(true);
  });

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['what is younger than they are told', () => call('drop_partition', 4), /no partition of the trail is that old/],
    [
      'what is younger than a day, whatever they are told',
      async () => {
        await owner.query(`UPDATE audit.event_partition SET begun_at = now() WHERE number = 2`);
        return call('drop_partition', 0);
      },
      /no partition of the trail is that old/,
    ],
    [
      'what has deliveries',
      async () => {
        await owner.query(`UPDATE audit.event_partition SET begun_at = now() - interval '5 days' WHERE number = 2`);
        await owner.query(`INSERT INTO audit.webhook_endpoint
          VALUES (gen_random_uuid(), DEFAULT, 'https://a.test', '', '{}', '{}', '{}', '{}', NULL, NULL, now())`);
        await owner.query(`INSERT INTO audit.delivery (id, webhook_id, event_id, event_sequence, event_type, status, created_at)
          SELECT id, id, 'event-2', 2, 'x', 'pending', now() FROM audit.webhook_endpoint`);
        return call('drop_partition', 4);
      },
      /there are deliveries/,
    ],
    [
      'what the trail does not say goes',
      async () => {
        await owner.query('DELETE FROM audit.delivery');
        return call('drop_partition', 4);
      },
      /does not say/,
    ],
    [
      'what the trail says goes under no checkpoint',
      async () => {
        const event = { data: { lastSequence: '3' } };
        await service.query(
          `INSERT INTO audit.event (sequence, event_id, type, time, roles, stream, stream_sequence, event)
           VALUES (6, 'event-6', 'dev.countersign.audit.expired.v1', now(), '{}', 'audit', 6, $1)`,
          [event],
        );
        await checkpoint(5);
        return call('drop_partition', 4);
      },
      /does not say/,
    ],
    [
      'what the log has no hashes of',
      async () => {
        await checkpoint(6);
        return call('drop_partition', 4);
      },
      /lacks hashes/,
    ],
  ])('drop nothing but what may go: not %s', async (_, attempt, message) => {
    await expect(attempt()).rejects.toThrow(message);
    expect(await service.query('SELECT count(*)::int AS n FROM audit.event_partition')).toEqual([{ n: 3 }]);
  });

  test('drop the oldest when it may go, and then no other', async () => {
    await service.query(
      `INSERT INTO audit.leaf SELECT n, decode(repeat('00', 32), 'hex') FROM generate_series(0, 2) n`,
    );
    expect(await call('drop_partition', 4)).toBe('3');
    expect(await service.query('SELECT sequence::int FROM audit.event ORDER BY sequence')).toEqual([
      { sequence: 4 },
      { sequence: 5 },
      { sequence: 6 },
    ]);
    await owner.query(`UPDATE audit.event_partition SET begun_at = now() - interval '5 days'`);
    await expect(call('drop_partition', 1)).rejects.toThrow(/does not say/);
  });

  test.each([
    'SELECT * FROM audit.event_2',
    'DELETE FROM audit.event_2',
    'INSERT INTO audit.event_role_2 VALUES (1)',
    'DROP TABLE audit.event_2',
    'ALTER TABLE audit.event DETACH PARTITION audit.event_2',
    `UPDATE audit.event_partition SET begun_at = now() - interval '1 year'`,
    'INSERT INTO audit.event_partition VALUES (9, 9, now())',
    'DELETE FROM audit.event_partition',
    'DELETE FROM audit.leaf',
  ])('are the only way: the service may not %s', async (statement) => {
    await expect(service.query(statement)).rejects.toThrow(/permission denied|must be owner/);
  });

  test('leave nothing to add to a partition that is over', async () => {
    const sql = `INSERT INTO audit.event (part, sequence, event_id, type, time, roles, stream, stream_sequence, event)
      VALUES (2, 3, 'late', 'x', now(), '{}', 'audit', 9, '{}')`;
    await expect(service.query(sql)).rejects.toThrow(/is closed/);
    await expect(service.query(sql.replace('(2, 3,', '(3, 3,'))).rejects.toThrow(/check constraint/);
  });

  test.each(['begin_partition', 'drop_partition'])('are for the service alone: %s', async (name) => {
    await owner.query('GRANT USAGE ON SCHEMA audit TO trail_stranger');
    await expect(stranger.query(`SELECT audit.${name}(30)`)).rejects.toThrow(/permission denied/);
  });

  test('are there for every start: rights are given again and none to the partitions', async () => {
    const again = new AuditDatabase({ url: urlOf('trail_service'), migrationUrl: place.url, logger });
    await again.whenReady();
    await expect(again.query('SELECT * FROM audit.event_3')).rejects.toThrow(/permission denied/);
    await again.close();
  });

  test.each([
    'UPDATE audit.event_2 SET outcome = NULL',
    'DELETE FROM audit.event_3',
    'TRUNCATE audit.event_2',
    'DELETE FROM audit.event',
    'TRUNCATE audit.event CASCADE',
    'TRUNCATE audit.event_role',
  ])('do not make a partition less append-only, for the owner neither: %s', async (statement) => {
    await expect(owner.query(statement)).rejects.toThrow(/append-only/);
  });
});

test('events of before are in the log with those that have their hash, and without it again after the way back', async () => {
  const place = await createTestDatabase(server);
  const log = Object.assign(new LogSettings(), { intervalMs: 20 });
  const database = new AuditDatabase({ url: place.url, logger });
  await database.whenReady();
  const migration = new AddLeaves1700000009000();
  const runner = database.dataSource().createQueryRunner();
  const storage = async (table: string): Promise<unknown> => (await database.query(STORAGE, [table]))[0];
  const improved = await storage('audit.event_1');
  await migration.down(runner);
  expect(await storage('audit.event_1')).toEqual({ options: null, sealed: 'x', compression: '' });
  await insert(database, 1, 10);
  await migration.up(runner);
  expect(await storage('audit.event_1')).toEqual(improved);
  await runner.release();
  // A replica of before knows of no hashes.
  await insert(database, 11, 12);
  await database.query(`UPDATE audit.event_partition SET begun_at = now() - interval '2 days'`);
  await database.query('SELECT audit.begin_partition(1)');
  expect(await storage('audit.event_2')).toEqual(improved);
  await database.close();
  const audit = await startAudit(server, {}, { databaseUrl: place.url, log });
  try {
    const event = exchangeEvent();
    await audit.stream.append('audit', event);
    for (const id of ['event-10', 'event-12', event.id])
      await until('a proof', async () => (await audit.call('GET', `/v1/events/${id}/proof`)).status === 200);
    expect(await audit.rows('SELECT count(leaf)::int AS hashed FROM audit.event')).toEqual([{ hashed: 1 }]);
  } finally {
    await audit.stop();
    await place.drop();
  }
});

test('a trail from before is the first partition as it is, and goes on', async () => {
  const place = await createTestDatabase(server);
  const migrations = [
    CreateAuditSchema1700000000000,
    AddTransparencyLog1700000001000,
    AddDeliveryChains1700000002000,
    AddDeliveryLimits1700000003000,
    SealPersonalData1700000004000,
    AddTimeIndex1700000005000,
    AddEventRoles1700000006000,
  ];
  const before = new Database({ url: place.url, schema: 'audit', entities: [], migrations, logger });
  await before.whenReady();
  await insert(before, 1, 300);
  await before.query(`INSERT INTO audit.webhook_endpoint
    VALUES (gen_random_uuid(), DEFAULT, 'https://a.test', '', '{}', '{}', '{}', '{}', 'requested', NULL, now())`);
  await before.query(`INSERT INTO audit.delivery (id, webhook_id, event_id, event_type, status, created_at)
    SELECT id, id, 'event-7', 'x', 'dead', now() FROM audit.webhook_endpoint`);
  const FILE = 'SELECT pg_relation_filepath(c.oid) AS file FROM pg_class c WHERE c.oid = $1::regclass';
  const [file] = await before.query(FILE, ['audit.event']);
  await before.close();
  const log = Object.assign(new LogSettings(), { intervalMs: 20 });
  const audit = await startAudit(server, {}, { databaseUrl: place.url, log });
  try {
    expect((await audit.rows(FILE, ['audit.event_1']))[0]).toEqual(file);
    const event = exchangeEvent();
    await audit.stream.append('audit', event);
    const { body } = await until('the event', async () => {
      const answer = await audit.call('GET', `/v1/events/${event.id}`);
      return answer.status === 200 ? answer : null;
    });
    expect(body.sequence).toBe('301');
    await until('a proof', async () => (await audit.call('GET', '/v1/events/event-300/proof')).status === 200);
    const page = await audit.call('GET', '/v1/events?role=deploy&limit=301');
    expect(page.body.items).toHaveLength(301);
    expect(await audit.rows('SELECT event_sequence::int AS sequence FROM audit.delivery')).toEqual([{ sequence: 7 }]);
  } finally {
    await audit.stop();
    await place.drop();
  }
});
