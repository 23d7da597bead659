import type { RecordedEvent } from '@countersign/contracts';
import { Logger, UnavailableError } from '@countersign/platform';
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { z } from 'zod';
import { AuditDatabase } from '../database';
import { EventReader, eventFiltersSchema, timeRange } from '../trail/event-reader';
import { EVENT_COLUMNS, type EventRow } from '../trail/event-rows';
import { ocsfEvent } from './ocsf-event';

const PAGE = 500;
const MOST_EXPORTS = 5;

const FORMATS = { ndjson: (event: RecordedEvent): object => event, ocsf: ocsfEvent };

/** Query parameters of an export: those of the list without its pages; `from` is included, `to` is not. */
export const exportQuerySchema = eventFiltersSchema.extend({
  ...timeRange,
  format: z.enum(['ndjson', 'ocsf']).optional().default('ndjson'),
});

export type ExportQuery = z.infer<typeof exportQuerySchema>;

interface TimedRow extends EventRow {
  /** As PostgreSQL writes it: a Date would lose its microseconds, and rows with them. */
  at: string;
}

/** What is read next: after this row, and never what came after the export began. */
interface Place {
  after: Pick<TimedRow, 'at' | 'sequence'>;
  newest: string;
}

const BEGINNING = { at: '-infinity', sequence: '0' };

/** Writes the trail out, one event in a line, oldest first: what there is when it begins. */
@Injectable()
export class EventExport implements BeforeApplicationShutdown {
  private running = 0;
  private stopping = false;

  constructor(
    private readonly database: AuditDatabase,
    private readonly reader: EventReader,
    private readonly logger: Logger,
  ) {}

  beforeApplicationShutdown(): void {
    this.stopping = true;
  }

  /**
   * The lines in chunks, each read when the one before has been taken. The generator throws when the database is lost
   * on the way: the answer must break off, and not look complete.
   * @throws UnavailableError
   */
  async open({ format, ...filters }: ExportQuery): Promise<AsyncGenerator<string>> {
    if (this.stopping || this.running >= MOST_EXPORTS)
      throw new UnavailableError('audit-log', { retryAfterSeconds: 30 });
    const newest = await this.reader.newestPosition();
    const first = await this.page(filters, { after: BEGINNING, newest });
    return this.chunks({ format, ...filters }, first, newest);
  }

  private async *chunks(
    { format, ...filters }: ExportQuery,
    first: TimedRow[],
    newest: string,
  ): AsyncGenerator<string> {
    const show = FORMATS[format];
    this.running += 1;
    try {
      for (let rows = first; ;) {
        const events = await this.reader.show(rows);
        yield events.map((event) => `${JSON.stringify(show(event))}\n`).join('');
        const after = rows.at(-1);
        if (after === undefined || rows.length < PAGE) return;
        if (this.stopping) throw new UnavailableError('audit-log');
        rows = await this.page(filters, { after, newest });
      }
    } catch (error) {
      this.logger.warn('an export broke off', { reason: String(error) });
      throw error;
    } finally {
      this.running -= 1;
    }
  }

  private async page(filters: Omit<ExportQuery, 'format'>, { after, newest }: Place): Promise<TimedRow[]> {
    const parameters: unknown[] = [PAGE, newest, after.at, after.sequence];
    const conditions = [
      'sequence <= $2::bigint',
      '(time, sequence) > ($3::timestamptz, $4::bigint)',
      ...(await this.reader.conditions(filters, parameters)),
    ];
    return this.database.query<TimedRow>(
      `SELECT ${EVENT_COLUMNS}, time::text AS at FROM audit.event e WHERE ${conditions.join(' AND ')}
       ORDER BY time, sequence LIMIT $1`,
      parameters,
    );
  }
}
