import { Gatherer, UnavailableError } from '@countersign/platform';
import { ExpiringStore, type Reservation, type ReserveCall, type StoreState } from './expiring-store';
import { checkExpiry, checkKeys } from './keys';

/** Runs parameterised SQL for PostgreSQL and resolves with the rows as objects. */
export type Query = <Row>(sql: string, parameters: unknown[]) => Promise<Row[]>;

export interface SqlExpiringStoreOptions {
  query: Query;
  /** Writes between two sweeps of what has expired; it is invisible before already. */
  sweepEvery?: number;
}

/** What came of it, in the same step. */
interface Reserved extends Omit<Reservation, 'reserved' | 'heldBy'> {
  held: string | null;
}

/** Any constant will do: two processes that make the table at once would fail on the catalogue's unique keys. */
const TABLE_LOCK = 7_305_002;
const SWEEP_EVERY = 500;
const MOST_IN_ONE_SWEEP = 5_000;
const MOST_IN_ONE_STATEMENT = 500;
/** Behind a statement that takes longer nobody waits: its time limit is about that of its callers. */
const PATIENCE_MS = 100;

const NOW = 'extract(epoch FROM clock_timestamp())';
const ALIVE = `(expires_at IS NULL OR expires_at > ${NOW})`;

const TABLE = `DO $$ BEGIN
  PERFORM pg_advisory_xact_lock(${TABLE_LOCK});
  CREATE SCHEMA IF NOT EXISTS embedded;
  CREATE TABLE IF NOT EXISTS embedded.expiring_key (key text PRIMARY KEY, value text NOT NULL, expires_at bigint);
  CREATE INDEX IF NOT EXISTS expiring_key_expires_at ON embedded.expiring_key (expires_at);
END $$`;

/** What every step reads beside its own: the run of the server, and its clock. */
const SERVER = `extract(epoch FROM pg_postmaster_start_time())::text AS life, ${NOW}::float8 AS now`;

const valueOf = (key: string): string => `(SELECT value FROM embedded.expiring_key WHERE key = ${key} AND ${ALIVE})`;

/**
 * Many reservations in one step: of those that ask for one key the first one takes it, and the others see that. In
 * the order of keys, so that two replicas do not wait for each other in a circle.
 */
const RESERVE = `WITH given AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
    WITH ORDINALITY AS g (key, value, expires_at, sentinel_key, place)
), taken AS (
  INSERT INTO embedded.expiring_key AS kept (key, value, expires_at)
  SELECT DISTINCT ON (key) key, value, expires_at FROM given ORDER BY key, place
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
  WHERE kept.expires_at <= ${NOW} RETURNING key, value
) SELECT coalesce((SELECT value FROM taken WHERE key = given.key), ${valueOf('given.key')}) AS held,
    ${valueOf('given.sentinel_key')} AS sentinel, ${SERVER}
  FROM given ORDER BY place`;

/** A commit that was acknowledged before it was on the disk may be gone after a crash. */
const INSPECT = `SELECT ${valueOf('$1')} AS sentinel, ${SERVER},
  current_setting('synchronous_commit') <> 'off' AND current_setting('fsync') = 'on' AS remembers`;

const SET = `INSERT INTO embedded.expiring_key (key, value, expires_at) VALUES ($1, $2, $3)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`;

const INCREMENT = `INSERT INTO embedded.expiring_key AS kept (key, value, expires_at) VALUES ($1, '1', $2)
  ON CONFLICT (key) DO UPDATE SET
    value = CASE WHEN kept.expires_at <= ${NOW} THEN '1' ELSE (kept.value::bigint + 1)::text END,
    expires_at = CASE WHEN kept.expires_at <= ${NOW} THEN excluded.expires_at ELSE kept.expires_at END
  RETURNING value`;

const DELETE_IF_EQUALS = `WITH gone AS (
  DELETE FROM embedded.expiring_key WHERE key = $1 AND value = $2 AND ${ALIVE} RETURNING 1
) SELECT count(*)::int AS gone FROM gone`;

const SWEEP = `WITH gone AS (
  DELETE FROM embedded.expiring_key WHERE key IN (
    SELECT key FROM embedded.expiring_key WHERE expires_at <= ${NOW} LIMIT ${MOST_IN_ONE_SWEEP} FOR UPDATE SKIP LOCKED
  ) RETURNING 1
) SELECT count(*) FROM gone`;

/** Keys with an end in a PostgreSQL table, for the embedded mode. The connection belongs to whoever passes `query`. */
export class SqlExpiringStore extends ExpiringStore {
  private prepared: Promise<unknown> | undefined;
  private writes = 0;
  private sweeping: Promise<void> = Promise.resolve();
  private readonly reservations = new Gatherer<ReserveCall, Reserved>({
    most: MOST_IN_ONE_STATEMENT,
    patienceMs: PATIENCE_MS,
    work: (asked) => this.reserveAll(asked),
  });

  constructor(private readonly options: SqlExpiringStoreOptions) {
    super();
  }

  /** Makes schema `embedded` and the table; done by the first use unless called before. */
  async prepare(): Promise<void> {
    this.prepared ??= this.options.query(TABLE, []).catch((error: unknown) => {
      this.prepared = undefined;
      throw error;
    });
    await this.prepared;
  }

  async get(key: string): Promise<string | null> {
    checkKeys(key);
    const rows = await this.run<{ value: string }>(
      `SELECT value FROM embedded.expiring_key WHERE key = $1 AND ${ALIVE}`,
      [key],
    );
    return rows[0]?.value ?? null;
  }

  async set(key: string, value: string, expiresAt: number | null): Promise<void> {
    checkKeys(key);
    if (expiresAt !== null) checkExpiry(expiresAt);
    await this.run(SET, [key, value, expiresAt]);
    this.sweepNowAndThen();
  }

  async reserve(key: string, value: string, expiresAt: number, sentinelKey: string): Promise<Reservation> {
    checkKeys(key, sentinelKey);
    checkExpiry(expiresAt);
    const { held, sentinel, life, now } = await this.reservations.add({ key, value, expiresAt, sentinelKey });
    this.sweepNowAndThen();
    return { reserved: held === value, heldBy: held, sentinel, life, now };
  }

  async increment(key: string, expiresAt: number): Promise<number> {
    checkKeys(key);
    checkExpiry(expiresAt);
    const [row] = await this.run<{ value: string }>(INCREMENT, [key, expiresAt]);
    if (row === undefined) throw new UnavailableError('postgres');
    this.sweepNowAndThen();
    return Number(row.value);
  }

  async inspect(sentinelKey: string): Promise<StoreState> {
    checkKeys(sentinelKey);
    const [row] = await this.run<StoreState>(INSPECT, [sentinelKey]);
    if (row === undefined) throw new UnavailableError('postgres');
    const { sentinel, life, now, remembers } = row;
    return { sentinel, life, now, remembers };
  }

  async deleteIfEquals(key: string, value: string): Promise<boolean> {
    checkKeys(key);
    const [row] = await this.run<{ gone: number }>(DELETE_IF_EQUALS, [key, value]);
    return row?.gone === 1;
  }

  async delete(key: string): Promise<void> {
    checkKeys(key);
    await this.run('DELETE FROM embedded.expiring_key WHERE key = $1', [key]);
  }

  async ping(): Promise<void> {
    await this.run('SELECT 1', []);
  }

  /** Lets running reservations and a running sweep finish. */
  async close(): Promise<void> {
    await this.reservations.settled();
    await this.sweeping;
  }

  private async reserveAll(asked: ReserveCall[]): Promise<Reserved[]> {
    const rows = await this.run<Reserved>(RESERVE, [
      asked.map(({ key }) => key),
      asked.map(({ value }) => value),
      asked.map(({ expiresAt }) => expiresAt),
      asked.map(({ sentinelKey }) => sentinelKey),
    ]);
    if (rows.length !== asked.length) throw new UnavailableError('postgres');
    return rows;
  }

  private async run<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    try {
      await this.prepare();
      return await this.options.query<Row>(sql, parameters);
    } catch (cause) {
      throw new UnavailableError('postgres', { cause });
    }
  }

  private sweepNowAndThen(): void {
    const { query, sweepEvery = SWEEP_EVERY } = this.options;
    this.writes += 1;
    if (this.writes % sweepEvery !== 0) return;
    // A sweep that fails is made up for by the next one.
    this.sweeping = query(SWEEP, []).then(
      () => undefined,
      () => undefined,
    );
  }
}
