import type { DeliveryAnswer, Page } from '@countersign/contracts';
import { Injectable } from '@nestjs/common';
import { AuditDatabase } from '../database';
import { pageOf, type PageQuery } from '../paging';

const COLUMNS = `id, position, webhook_id AS "webhookId", event_id AS "eventId", event_type AS "eventType",
  endpoint_sequence AS "endpointSequence", status, attempts, next_attempt_at AS "nextAttemptAt",
  created_at AS "createdAt"`;

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
  constructor(private readonly database: AuditDatabase) {}

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
}
