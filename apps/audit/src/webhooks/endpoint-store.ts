import type { Page, WebhookAnswer } from '@countersign/contracts';
import { formatPublicKey } from '@countersign/webhooks';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditDatabase } from '../database';
import { pageOf, type PageQuery } from '../paging';
import type { EndpointChanges, NewEndpoint } from './endpoint-schema';
import { EndpointSecrets } from './endpoint-secrets';

/** What `disabledReason` says: the receiver answered 410, it failed for five days, or somebody switched it off. */
export type DisabledReason = 'gone' | 'failing' | 'requested';

const COLUMNS = `
  id, position, url, types, issuers, roles, outcomes, format, max_per_second AS "maxPerSecond", handshake,
  disabled_reason AS "disabledReason", created_at AS "createdAt"`;

interface EndpointRow extends NewEndpoint {
  id: string;
  position: string;
  disabledReason: DisabledReason | null;
  createdAt: Date;
}

/** Webhook endpoints as stored; secrets only ever sealed. Methods with a manager are steps of its transaction. */
@Injectable()
export class EndpointStore {
  constructor(
    private readonly database: AuditDatabase,
    private readonly secrets: EndpointSecrets,
  ) {}

  /** In the order of their creation. */
  async list({ cursor, limit }: PageQuery): Promise<Page<WebhookAnswer>> {
    const rows = await this.database.query<EndpointRow>(
      `SELECT ${COLUMNS} FROM audit.webhook_endpoint WHERE position > $1::bigint ORDER BY position LIMIT $2`,
      [cursor ?? '0', limit + 1],
    );
    return pageOf(rows, limit, { position: (row) => row.position, item: (row) => this.asAnswer(row) });
  }

  async find(id: string): Promise<WebhookAnswer | null> {
    const sql = `SELECT ${COLUMNS} FROM audit.webhook_endpoint WHERE id = $1`;
    const [row] = await this.database.query<EndpointRow>(sql, [id]);
    return row === undefined ? null : this.asAnswer(row);
  }

  async insert(
    manager: EntityManager,
    endpoint: NewEndpoint & { id: string; secret: string; createdAt: Date },
  ): Promise<WebhookAnswer> {
    const { id, url, secret, types, issuers, roles, outcomes, format, maxPerSecond, handshake, createdAt } = endpoint;
    const sealedSecret = this.secrets.seal(secret);
    const [row] = await manager.query<EndpointRow[]>(
      `INSERT INTO audit.webhook_endpoint
         (id, url, sealed_secret, types, issuers, roles, outcomes, format, max_per_second, handshake, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING ${COLUMNS}`,
      [id, url, sealedSecret, types, issuers, roles, outcomes, format, maxPerSecond, handshake, createdAt],
    );
    if (row === undefined) throw new Error('an inserted endpoint was not returned');
    return this.asAnswer(row);
  }

  /** Holds the endpoint until the transaction ends; null when there is none. */
  async lock(manager: EntityManager, id: string): Promise<WebhookAnswer | null> {
    const sql = `SELECT ${COLUMNS} FROM audit.webhook_endpoint WHERE id = $1 FOR NO KEY UPDATE`;
    const [row] = await manager.query<EndpointRow[]>(sql, [id]);
    return row === undefined ? null : this.asAnswer(row);
  }

  async update(manager: EntityManager, id: string, changes: EndpointChanges): Promise<void> {
    const { types, issuers, roles, outcomes, maxPerSecond } = changes;
    await manager.query(
      `UPDATE audit.webhook_endpoint SET types = coalesce($2, types), issuers = coalesce($3, issuers),
         roles = coalesce($4, roles), outcomes = coalesce($5, outcomes), max_per_second = coalesce($6, max_per_second)
       WHERE id = $1`,
      [id, types, issuers, roles, outcomes, maxPerSecond],
    );
    if (changes.disabled === false) await this.enable(manager, id);
    if (changes.disabled === true) await this.disable(manager, id, 'requested');
  }

  /** The one before is good, too, until it expires. */
  async rotateSecret(
    manager: EntityManager,
    id: string,
    next: { secret: string; previousExpiresAt: Date },
  ): Promise<void> {
    await manager.query(
      `UPDATE audit.webhook_endpoint SET previous_sealed_secret = sealed_secret, previous_secret_expires_at = $3,
         sealed_secret = $2 WHERE id = $1`,
      [id, this.secrets.seal(next.secret), next.previousExpiresAt],
    );
  }

  /** What still waited for this endpoint is a dead letter from now on. */
  async disable(manager: EntityManager, id: string, reason: DisabledReason): Promise<void> {
    await manager.query(
      'UPDATE audit.webhook_endpoint SET disabled_reason = coalesce(disabled_reason, $2) WHERE id = $1',
      [id, reason],
    );
    await manager.query(
      `UPDATE audit.delivery SET status = 'dead', next_attempt_at = NULL
       WHERE webhook_id = $1 AND next_attempt_at IS NOT NULL`,
      [id],
    );
  }

  async delete(manager: EntityManager, id: string): Promise<void> {
    await manager.query('DELETE FROM audit.webhook_endpoint WHERE id = $1', [id]);
  }

  private asAnswer({ position: _, createdAt, ...row }: EndpointRow): WebhookAnswer {
    const publicKey = formatPublicKey(this.secrets.signingKey(row.id));
    return { ...row, disabled: row.disabledReason !== null, createdAt: createdAt.toISOString(), publicKey };
  }

  private async enable(manager: EntityManager, id: string): Promise<void> {
    const sql = 'UPDATE audit.webhook_endpoint SET disabled_reason = NULL, failing_since = NULL WHERE id = $1';
    await manager.query(sql, [id]);
  }
}
