import { EVENT_TYPES, type Page, type RecordedEvent } from '@countersign/contracts';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { AuditDatabase } from '../database';
import { pageOf, pageQuery } from '../paging';
import { SubjectKeys } from '../personal-data/subject-keys';
import { searchable } from './event-facts';
import { asRecorded, EVENT_COLUMNS, type EventRow } from './event-rows';
import { readKeptRange } from './kept-range';

/** PostgreSQL text holds no NUL. */
const text = z
  .string()
  .min(1)
  .max(2_048)
  .refine((value) => !value.includes('\u0000'), { message: 'must not contain NUL' })
  .transform(searchable);
const time = z.iso.datetime({ offset: true }).transform((value) => Date.parse(value) / 1000);

const filters = {
  type: z.enum(EVENT_TYPES).optional(),
  issuer: text.optional(),
  subject: text.optional(),
  role: text.optional(),
  outcome: text.optional(),
  traceId: text.optional(),
};

/** Filters add up, values are exact. */
export const eventFiltersSchema = z.strictObject(filters);
export type EventFilters = z.infer<typeof eventFiltersSchema>;

export const timeRange = { from: time.optional(), to: time.optional() };

/** Query parameters of `GET /v1/events`; `from` is included, `to` is not. */
export const eventQuerySchema = z.strictObject({ ...pageQuery, ...filters, ...timeRange });

export type EventQuery = z.infer<typeof eventQuerySchema>;

type Filters = Omit<EventQuery, 'cursor' | 'limit'>;
/** `keys`: ids of keys of subjects, by which their events are found. */
type Conditions = Filters & { keys?: string[] };

/** Conditions are fixed text; what callers send is only ever a parameter. */
const CONDITIONS: Record<keyof Conditions, (parameter: string) => string> = {
  type: (parameter) => `type = ${parameter}`,
  issuer: (parameter) => `issuer = ${parameter}`,
  subject: (parameter) => `subject = ${parameter}`,
  keys: (parameter) => `key_id = ANY (${parameter}::bigint[])`,
  // With the partition, so that only one is looked into.
  role: (parameter) =>
    `(sequence, part) IN (SELECT r.sequence, r.part FROM audit.event_role r WHERE r.role = ${parameter})`,
  outcome: (parameter) => `outcome = ${parameter}`,
  traceId: (parameter) => `trace_id = ${parameter}`,
  from: (parameter) => `time >= to_timestamp(${parameter}::float8)`,
  to: (parameter) => `time < to_timestamp(${parameter}::float8)`,
};

/** What a span of time holds is in the order of time, others in that of the trail: only so does an index find a page. */
const ORDERS = {
  time: {
    after: (parameter: string) =>
      `(time, sequence) < ((SELECT time FROM audit.event WHERE sequence = ${parameter}::bigint), ${parameter}::bigint)`,
    newestFirst: 'time DESC, sequence DESC',
  },
  trail: { after: (parameter: string) => `sequence < ${parameter}::bigint`, newestFirst: 'sequence DESC' },
  role: { after: (parameter: string) => `place < ${parameter}::bigint`, newestFirst: 'place DESC' },
};

/** The events of a role by its own places; without OFFSET 0 the whole trail would be walked to meet them. */
const ofRole = (parameter: string): string => `
  (SELECT sequence AS place, part AS place_part FROM audit.event_role WHERE role = ${parameter}) places
  CROSS JOIN LATERAL (SELECT * FROM audit.event WHERE sequence = place AND part = place_part OFFSET 0) e`;

/** Where a page comes from and in which order, and what is left to be filtered. */
function planPage(filters: Filters, parameters: unknown[]) {
  if (filters.from !== undefined || filters.to !== undefined)
    return { source: 'audit.event e', order: ORDERS.time, filters };
  const { role, ...others } = filters;
  if (role === undefined) return { source: 'audit.event e', order: ORDERS.trail, filters };
  return { source: ofRole(`$${parameters.push(role)}`), order: ORDERS.role, filters: others };
}

/** Fixed text with the values among the parameters. */
function conditionsOf(filters: Conditions, parameters: unknown[]): string[] {
  return Object.entries(CONDITIONS).flatMap(([name, condition]) => {
    const value = filters[name as keyof typeof filters];
    return value === undefined ? [] : [condition(`$${parameters.push(value)}`)];
  });
}

@Injectable()
export class EventReader {
  constructor(
    private readonly database: AuditDatabase,
    private readonly keys: SubjectKeys,
  ) {}

  /** Newest first. */
  async list({ limit, cursor, ...asked }: EventQuery): Promise<Page<RecordedEvent>> {
    const parameters: unknown[] = [limit + 1];
    const { source, order, filters } = planPage(asked, parameters);
    const conditions = ['true', ...(await this.conditions(filters, parameters))];
    if (cursor !== undefined) conditions.push(order.after(`$${parameters.push(cursor)}`));
    const rows = await this.database.query<EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM ${source} WHERE ${conditions.join(' AND ')}
       ORDER BY ${order.newestFirst} LIMIT $1`,
      parameters,
    );
    const ring = await this.keys.ring();
    return pageOf(rows, limit, { position: (row) => row.sequence, item: (row) => asRecorded(row, ring) });
  }

  /** Up to `limit` events after a position, oldest first, and the position up to which there are no others. */
  async following(
    filters: EventFilters,
    after: string,
    limit: number,
  ): Promise<{ events: RecordedEvent[]; position: string }> {
    // Sequences are given in the order of commits: below the newest one that is seen, none is still to come.
    const newest = await this.newestPosition();
    if (Number(newest) <= Number(after)) return { events: [], position: newest };
    const parameters: unknown[] = [limit, after, newest];
    // After the newest position: the keys of all events up to there are known.
    const wanted = await this.conditions(filters, parameters);
    const conditions = ['sequence > $2::bigint', 'sequence <= $3::bigint', ...wanted];
    const rows = await this.database.query<EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM audit.event e WHERE ${conditions.join(' AND ')} ORDER BY sequence LIMIT $1`,
      parameters,
    );
    const last = rows.length < limit ? newest : rows.at(-1)?.sequence;
    return { events: await this.show(rows), position: last ?? newest };
  }

  /** The sequence of the newest event; 0 in an empty trail. */
  async newestPosition(): Promise<string> {
    const sql = 'SELECT coalesce(max(sequence), 0)::text AS position FROM audit.event';
    const [row] = await this.database.query<{ position: string }>(sql);
    return row?.position ?? '0';
  }

  /** The sequence of the newest event that retention removed; 0 while it removed none. */
  async removedPosition(): Promise<number> {
    return (await this.database.run(readKeptRange)).removed;
  }

  async find(id: string): Promise<RecordedEvent | null> {
    const sql = `SELECT ${EVENT_COLUMNS} FROM audit.event e WHERE event_id = $1`;
    const [event] = await this.show(await this.database.query<EventRow>(sql, [id]));
    return event ?? null;
  }

  /** Rows with EVENT_COLUMNS as the events that they are. @throws UnavailableError */
  async show(rows: readonly EventRow[]): Promise<RecordedEvent[]> {
    const ring = await this.keys.ring();
    return rows.map((row) => asRecorded(row, ring));
  }

  /** What events have to be for these filters, in SQL for `audit.event`; values go among the parameters. */
  async conditions({ subject, ...filters }: Filters, parameters: unknown[]): Promise<string[]> {
    if (subject === undefined) return conditionsOf(filters, parameters);
    const ids = (await this.keys.ring()).idsOf({ subject, isVerified: true });
    const sql = 'SELECT id FROM audit.subject_key WHERE subject_id = ANY ($1::bytea[])';
    const keys = (await this.database.query<{ id: string }>(sql, [ids])).map(({ id }) => id);
    return conditionsOf(keys.length > 0 ? { ...filters, keys } : { ...filters, subject }, parameters);
  }
}
