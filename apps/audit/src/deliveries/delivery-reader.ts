import type { DeliveryAnswer, Page, RecordedEvent } from '@countersign/contracts';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditDatabase } from '../database';
import { pageOf, type PageQuery } from '../paging';
import { SubjectKeys } from '../personal-data/subject-keys';
import { asRecorded, EVENT_COLUMNS, type EventRow } from '../trail/event-rows';

const COLUMNS = `id, position, webhook_id AS "webhookId", event_id AS "eventId", event_type AS "eventType",
  endpoint_sequence AS "endpointSequence", status, attempts, next_attempt_at AS "nextAttemptAt",
  created_at AS "createdAt"`;

export interface Missing {
  webhookId: string;
  since: Date;
  /** Sequence. */
  after: string;
  limit: number;
}

interface DeliveryRow extends Omit<DeliveryAnswer, 'createdAt' | 'nextAttemptAt'> {
  position: string;
  nextAttemptAt: Date | null;
  createdAt: Date;
}

function asAnswer({ position: _, ...row }: DeliveryRow): DeliveryAnswer {
  const nextAttemptAt = row.nextAttemptAt?.toISOString() ?? null;
  return { ...row, nextAttemptAt, createdAt: row.createdAt.toISOString() };
}

/** Deliveries, for those who look after an endpoint. */
@Injectable()
export class DeliveryReader {
  constructor(
    private readonly database: AuditDatabase,
    private readonly keys: SubjectKeys,
  ) {}

  async find(id: string): Promise<DeliveryAnswer | null> {
    const sql = `SELECT ${COLUMNS} FROM audit.delivery WHERE id = $1`;
    const [row] = await this.database.query<DeliveryRow>(sql, [id]);
    return row === undefined ? null : asAnswer(row);
  }

  /** Newest first. */
  async list(webhookId: string, { cursor, limit }: PageQuery): Promise<Page<DeliveryAnswer>> {
    const rows = await this.database.query<DeliveryRow>(
      `SELECT ${COLUMNS} FROM audit.delivery WHERE webhook_id = $1 AND ($2::bigint IS NULL OR position < $2::bigint)
       ORDER BY position DESC LIMIT $3`,
      [webhookId, cursor ?? null, limit + 1],
    );
    return pageOf(rows, limit, { position: (row) => row.position, item: asAnswer });
  }

  /** Events since a time in the order of the trail, each with whether it was ever queued for the endpoint. */
  async eventsAfter(
    manager: EntityManager,
    { webhookId, since, after, limit }: Missing,
  ): Promise<{ event: RecordedEvent; isQueued: boolean }[]> {
    const rows = await manager.query<(EventRow & { isQueued: boolean })[]>(
      `SELECT ${EVENT_COLUMNS}, d.id IS NOT NULL AS "isQueued" FROM audit.event e
       LEFT JOIN audit.delivery d ON d.webhook_id = $1 AND d.event_id = e.event_id
       WHERE e.time >= $2 AND e.sequence > $3::bigint ORDER BY e.sequence LIMIT $4`,
      [webhookId, since, after, limit],
    );
    const ring = await this.keys.ring();
    return rows.map((row) => ({ event: asRecorded(row, ring), isQueued: row.isQueued }));
  }
}
