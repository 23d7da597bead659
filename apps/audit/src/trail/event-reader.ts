import { EVENT_TYPES, type CloudEvent, type Page, type RecordedEvent } from '@countersign/contracts';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { AuditDatabase } from '../database';
import { pageOf, pageQuery } from '../paging';
import { searchable } from './event-facts';
import { recordedEvent } from './recorded-event';

/** PostgreSQL text holds no NUL. */
const text = z
  .string()
  .min(1)
  .max(2_048)
  .refine((value) => !value.includes('\u0000'), { message: 'must not contain NUL' })
  .transform(searchable);
const time = z.iso.datetime({ offset: true }).transform((value) => Date.parse(value) / 1000);

/** Query parameters of `GET /v1/events`; filters add up, values are exact; `from` is included, `to` is not. */
export const eventQuerySchema = z.strictObject({
  ...pageQuery,
  type: z.enum(EVENT_TYPES).optional(),
  issuer: text.optional(),
  subject: text.optional(),
  role: text.optional(),
  outcome: text.optional(),
  traceId: text.optional(),
  from: time.optional(),
  to: time.optional(),
});

export type EventQuery = z.infer<typeof eventQuerySchema>;

interface EventRow {
  sequence: string;
  event: CloudEvent;
}

/** Conditions are fixed text; what callers send is only ever a parameter. */
const CONDITIONS: Record<Exclude<keyof EventQuery, 'limit'>, (parameter: string) => string> = {
  cursor: (parameter) => `sequence < ${parameter}::bigint`,
  type: (parameter) => `type = ${parameter}`,
  issuer: (parameter) => `issuer = ${parameter}`,
  subject: (parameter) => `subject = ${parameter}`,
  role: (parameter) => `roles @> ARRAY[${parameter}::text]`,
  outcome: (parameter) => `outcome = ${parameter}`,
  traceId: (parameter) => `trace_id = ${parameter}`,
  from: (parameter) => `time >= to_timestamp(${parameter}::float8)`,
  to: (parameter) => `time < to_timestamp(${parameter}::float8)`,
};

@Injectable()
export class EventReader {
  constructor(private readonly database: AuditDatabase) {}

  /** Newest first. */
  async list({ limit, ...filters }: EventQuery): Promise<Page<RecordedEvent>> {
    const parameters: unknown[] = [limit + 1];
    const conditions: string[] = [];
    for (const [name, condition] of Object.entries(CONDITIONS)) {
      const value = filters[name as keyof typeof filters];
      if (value !== undefined) conditions.push(condition(`$${parameters.push(value)}`));
    }
    const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
    const rows = await this.database.query<EventRow>(
      `SELECT sequence, event FROM audit.event ${where} ORDER BY sequence DESC LIMIT $1`,
      parameters,
    );
    return pageOf(rows, limit, {
      position: (row) => row.sequence,
      item: (row) => recordedEvent(row.event, row.sequence),
    });
  }

  async find(id: string): Promise<RecordedEvent | null> {
    const sql = 'SELECT sequence, event FROM audit.event WHERE event_id = $1';
    const [row] = await this.database.query<EventRow>(sql, [id]);
    return row === undefined ? null : recordedEvent(row.event, row.sequence);
  }
}
