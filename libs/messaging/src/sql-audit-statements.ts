import type { AuditStreamName, CloudEvent } from '@countersign/contracts';
import type { StreamedEvent } from './audit-stream';

/** Runs parameterised SQL for PostgreSQL and resolves with the rows as objects. */
export type Query = <Row>(sql: string, parameters: unknown[]) => Promise<Row[]>;

/** Any constant will do: two processes that make the tables at once would fail on the catalogue's unique keys. */
const TABLES_LOCK = 7_305_001;

export async function createTables(query: Query): Promise<void> {
  await query(
    `DO $$ BEGIN
      PERFORM pg_advisory_xact_lock(${TABLES_LOCK});
      CREATE SCHEMA IF NOT EXISTS embedded;
      CREATE TABLE IF NOT EXISTS embedded.stream (name text PRIMARY KEY, last_sequence bigint NOT NULL);
      CREATE TABLE IF NOT EXISTS embedded.stream_event (
        stream text NOT NULL, sequence bigint NOT NULL, event_id text NOT NULL, event text NOT NULL,
        PRIMARY KEY (stream, sequence), UNIQUE (stream, event_id));
      CREATE TABLE IF NOT EXISTS embedded.stream_consumer (
        stream text NOT NULL, durable text NOT NULL, position bigint NOT NULL, PRIMARY KEY (stream, durable));
      INSERT INTO embedded.stream VALUES ('audit', 0), ('refusals', 0) ON CONFLICT DO NOTHING;
      IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        ALTER TABLE embedded.stream_event ALTER COLUMN event SET COMPRESSION lz4;
      END IF;
    END $$`,
    [],
  );
}

/**
 * Events whose id the stream has are passed over. The row of the stream stays locked until the commit, so that no
 * lower sequence can appear after a higher one. OFFSET 0 makes PostgreSQL look for each id by itself: a plan that was
 * made for a small stream would read all of it.
 */
export async function appendEvents(query: Query, stream: AuditStreamName, events: CloudEvent[]): Promise<void> {
  const unique = [...new Map(events.map((event) => [event.id, event])).values()];
  await query(
    `WITH fresh AS (
      SELECT given.id, given.event, row_number() OVER (ORDER BY given.place) AS step
      FROM unnest($2::text[], string_to_array($3, chr(10))) WITH ORDINALITY AS given(id, event, place)
      WHERE NOT EXISTS (SELECT FROM embedded.stream_event kept WHERE kept.stream = $1 AND kept.event_id = given.id OFFSET 0)
    ), counted AS (
      UPDATE embedded.stream SET last_sequence = last_sequence + (SELECT count(*) FROM fresh)
      WHERE name = $1 RETURNING last_sequence
    ), added AS (
      INSERT INTO embedded.stream_event (stream, sequence, event_id, event)
      SELECT $1, counted.last_sequence - (SELECT count(*) FROM fresh) + fresh.step, fresh.id, fresh.event
      FROM fresh, counted ON CONFLICT DO NOTHING RETURNING sequence
    ) SELECT count(*) FROM added`,
    // No JSON has a line break of its own; in an array every quotation mark would be escaped once more.
    [stream, unique.map(({ id }) => id), unique.map((event) => JSON.stringify(event)).join('\n')],
  );
}

/** Gives a durable consumer a place in the stream, unless it has one: before the first event. */
export async function registerConsumer(query: Query, stream: AuditStreamName, durable: string): Promise<void> {
  await query(
    `WITH new AS (
      INSERT INTO embedded.stream_consumer VALUES ($1, $2, 0) ON CONFLICT DO NOTHING RETURNING position
    ) SELECT count(*) FROM new`,
    [stream, durable],
  );
}

/** The events behind the place of a consumer; none for one that is not registered. */
export async function readEvents(
  query: Query,
  { stream, durable, limit }: { stream: AuditStreamName; durable: string; limit: number },
): Promise<StreamedEvent[]> {
  const rows = await query<{ sequence: string; event: string }>(
    `SELECT sequence, event FROM embedded.stream_event WHERE stream = $1 AND sequence > (
       SELECT position FROM embedded.stream_consumer WHERE stream = $1 AND durable = $2)
     ORDER BY sequence LIMIT $3`,
    [stream, durable, limit],
  );
  return rows.map(({ sequence, event }) => ({
    event: JSON.parse(event) as CloudEvent,
    streamSequence: Number(sequence),
  }));
}

export async function advancePosition(
  query: Query,
  { stream, durable, position }: { stream: AuditStreamName; durable: string; position: number },
): Promise<void> {
  await query(
    `WITH moved AS (
      UPDATE embedded.stream_consumer SET position = greatest(position, $3)
      WHERE stream = $1 AND durable = $2 RETURNING position
    ) SELECT position FROM moved`,
    [stream, durable, position],
  );
}

/** Deletes the refusals that every consumer has had, and the oldest beyond the bound. */
export async function trimRefusals(query: Query, most: number): Promise<void> {
  await query(
    `WITH trimmed AS (
      DELETE FROM embedded.stream_event WHERE stream = 'refusals' AND sequence <= greatest(
        (SELECT min(position) FROM embedded.stream_consumer WHERE stream = 'refusals'),
        (SELECT last_sequence - $1 FROM embedded.stream WHERE name = 'refusals')) RETURNING 1
    ) SELECT count(*) FROM trimmed`,
    [most],
  );
}

/** Deletes the events that every consumer has had. */
export async function dropConsumed(query: Query, stream: AuditStreamName): Promise<void> {
  await query(
    `WITH dropped AS (
      DELETE FROM embedded.stream_event WHERE stream = $1
        AND sequence <= (SELECT min(position) FROM embedded.stream_consumer WHERE stream = $1) RETURNING 1
    ) SELECT count(*) FROM dropped`,
    [stream],
  );
}
