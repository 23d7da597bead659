import { setTimeout as delay } from 'node:timers/promises';
import { Gatherer, newTrace } from '@countersign/platform';
import { nextEndpointHealth, type DeliveryState } from '@countersign/webhooks';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditDatabase } from '../database';
import { EndpointEvents } from '../webhooks/endpoint-events';
import { EndpointStore, type DisabledReason } from '../webhooks/endpoint-store';
import type { LeasedDelivery } from './delivery-queue';

export interface AttemptRecord {
  at: string;
  responseStatus: number | null;
  error: string | null;
  durationMs: number;
}

interface Delivered {
  delivery: LeasedDelivery;
  attempt: AttemptRecord;
}

const RECORD = `
  UPDATE audit.delivery SET attempts = attempts || $3::jsonb, status = $4, next_attempt_at = $5
  WHERE id = $1 AND next_attempt_at = $2 RETURNING id`;

/** Most attempts that are recorded in one statement, and how far apart statements are that are not full. */
const MOST_AT_ONCE = 200;
const APART_MS = 50;
const PATIENCE_MS = 1_000;

/** An array of unknown length, as where they are leased. */
const RECORD_DELIVERED = `
  WITH made AS (
    SELECT * FROM json_to_recordset($1::json) AS m (id uuid, leased_until timestamptz, attempt jsonb)
  )
  UPDATE audit.delivery d SET attempts = d.attempts || m.attempt, status = 'delivered', next_attempt_at = NULL
  FROM made m
  WHERE d.id = ANY (ARRAY(SELECT id FROM made)) AND d.id = m.id AND d.next_attempt_at = m.leased_until
  RETURNING d.id,
    (SELECT e.id FROM audit.webhook_endpoint e WHERE e.id = d.webhook_id AND e.failing_since IS NOT NULL) AS failing`;

/** After the attempts and not with them: rows of two tables are locked in one order everywhere, the endpoint's first. */
const RECORD_HEALTH = `UPDATE audit.webhook_endpoint SET failing_since = NULL WHERE id = ANY ($1::uuid[])`;

const STATUS = { delivered: 'delivered', retryAt: 'retrying', dead: 'dead', disableEndpoint: 'dead' } as const;

/** Records what came of attempts, for the delivery and its endpoint. */
@Injectable()
export class DeliveryOutcomes {
  private readonly delivered = new Gatherer<Delivered, boolean>({
    most: MOST_AT_ONCE,
    patienceMs: PATIENCE_MS,
    work: async (delivered) => {
      const [recorded] = await Promise.all([this.recordDelivered(delivered), delay(APART_MS)]);
      return recorded;
    },
  });

  /** The one that was added last. */
  private latest: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly database: AuditDatabase,
    private readonly endpoints: EndpointStore,
    private readonly events: EndpointEvents,
  ) {}

  /**
   * Records an attempt and what follows from it, for the endpoint too. False when the lease was lost meanwhile, or the
   * endpoint deleted: then nothing is recorded.
   */
  record(delivery: LeasedDelivery, attempt: AttemptRecord, state: DeliveryState): Promise<boolean> {
    if (state.kind !== 'delivered') return this.recordFailure(delivery, attempt, state);
    const recording = this.delivered.add({ delivery, attempt });
    this.latest = recording;
    return recording;
  }

  /** Nothing follows from most of them, so those that end at about the same time are recorded together. */
  private async recordDelivered(delivered: Delivered[]): Promise<boolean[]> {
    const rows = delivered.map(({ delivery: { id, leasedUntil }, attempt }) => ({
      id,
      leased_until: leasedUntil,
      attempt: [attempt],
    }));
    const parameters = [JSON.stringify(rows)];
    const recorded = await this.database.query<{ id: string; failing: string | null }>(RECORD_DELIVERED, parameters);
    const failing = recorded.flatMap((row) => row.failing ?? []);
    if (failing.length > 0) await this.database.query(RECORD_HEALTH, [failing]);
    const ids = new Set(recorded.map(({ id }) => id));
    return delivered.map(({ delivery }) => ids.has(delivery.id));
  }

  private async recordFailure(
    delivery: LeasedDelivery,
    attempt: AttemptRecord,
    state: DeliveryState,
  ): Promise<boolean> {
    // If this disables the endpoint, what it took before and is not recorded would become a dead letter.
    await this.latest.catch(() => undefined);
    return this.database.transaction(async (manager) => {
      // The endpoint first: the same order in every transaction, so that none waits for another in a circle.
      const endpoint = await this.endpoints.lock(manager, delivery.webhookId);
      const next = state.kind === 'retryAt' ? new Date(state.at * 1000) : null;
      const parameters = [delivery.id, delivery.leasedUntil, JSON.stringify([attempt]), STATUS[state.kind], next];
      const [recorded] = await manager.query<[unknown[], number]>(RECORD, parameters);
      if (endpoint === null || recorded.length === 0) return false;
      const reason = await this.disablingReason(manager, delivery, attempt, state);
      if (reason !== null && !endpoint.disabled) await this.disable(manager, delivery, reason);
      return true;
    });
  }

  private async disablingReason(
    manager: EntityManager,
    { webhookId }: LeasedDelivery,
    { at }: AttemptRecord,
    state: DeliveryState,
  ): Promise<DisabledReason | null> {
    if (state.kind === 'disableEndpoint') return state.reason;
    const [row] = await manager.query<{ since: Date | null }[]>(
      'SELECT failing_since AS since FROM audit.webhook_endpoint WHERE id = $1',
      [webhookId],
    );
    const before = row?.since ? row.since.getTime() / 1000 : null;
    const health = nextEndpointHealth(before, false, Date.parse(at) / 1000);
    if (health.failingSince !== before) {
      const since = health.failingSince === null ? null : new Date(health.failingSince * 1000);
      await manager.query('UPDATE audit.webhook_endpoint SET failing_since = $2 WHERE id = $1', [webhookId, since]);
    }
    return health.disable ? 'failing' : null;
  }

  private async disable(manager: EntityManager, { webhookId, url }: LeasedDelivery, reason: DisabledReason) {
    await this.endpoints.disable(manager, webhookId, reason);
    const caller = { author: 'system', trace: newTrace() };
    await this.events.record({ action: 'disabled', webhookId, url, caller, details: { reason } });
  }
}
