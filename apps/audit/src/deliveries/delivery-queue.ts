import type { CloudEvent, WebhookAnswer } from '@countersign/contracts';
import { Gatherer, newTrace } from '@countersign/platform';
import { nextEndpointHealth, type DeliveryState } from '@countersign/webhooks';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditDatabase } from '../database';
import { openEvent, type SealedEvent } from '../personal-data/sealed-event';
import { SubjectKeys } from '../personal-data/subject-keys';
import { EndpointEvents } from '../webhooks/endpoint-events';
import { EndpointStore, type DisabledReason } from '../webhooks/endpoint-store';

/** A delivery taken from the queue; until `leasedUntil` nobody else takes it. */
export interface LeasedDelivery {
  id: string;
  webhookId: string;
  url: string;
  /** The current one, and the one before while it is good too. */
  sealedSecrets: Buffer[];
  /** Null for deliveries from before there were chains. */
  endpointSequence: string | null;
  chainHead: Buffer | null;
  format: WebhookAnswer['format'];
  /** Deliveries name us, as the handshake did. */
  handshake: boolean;
  attemptsMade: number;
  leasedUntil: Date;
  sequence: string;
  event: CloudEvent;
}

export interface AttemptRecord {
  at: string;
  responseStatus: number | null;
  error: string | null;
  durationMs: number;
}

/** By endpoint: `inFlight` counts attempts under way, `recent` those of the last second. */
export interface LeaseRequest {
  now: Date;
  leasedUntil: Date;
  most: number;
  mostPerEndpoint: number;
  inFlight: ReadonlyMap<string, number>;
  recent: ReadonlyMap<string, number>;
}

const LEASE = `
  WITH due AS (
    SELECT candidate.id FROM audit.webhook_endpoint e
    CROSS JOIN LATERAL (
      SELECT id, next_attempt_at FROM audit.delivery
      WHERE webhook_id = e.id AND next_attempt_at <= $1
      ORDER BY next_attempt_at, position
      LIMIT greatest(0, least(
        $2::int - coalesce(($3::jsonb ->> e.id::text)::int, 0),
        e.max_per_second - coalesce(($6::jsonb ->> e.id::text)::int, 0)
      ))
      FOR UPDATE SKIP LOCKED
    ) candidate
    WHERE e.disabled_reason IS NULL
    ORDER BY candidate.next_attempt_at LIMIT $4
  )
  UPDATE audit.delivery d SET next_attempt_at = $5
  FROM due, audit.webhook_endpoint e, audit.event v
  WHERE d.id = due.id AND e.id = d.webhook_id AND v.event_id = d.event_id
  RETURNING d.id, d.webhook_id AS "webhookId", e.url, e.format, e.handshake,
    CASE WHEN e.previous_secret_expires_at > $1 THEN ARRAY[e.sealed_secret, e.previous_sealed_secret]
      ELSE ARRAY[e.sealed_secret] END AS "sealedSecrets",
    d.endpoint_sequence AS "endpointSequence", d.chain_head AS "chainHead",
    jsonb_array_length(d.attempts) AS "attemptsMade", d.next_attempt_at AS "leasedUntil", v.sequence, v.event, v.sealed,
    (SELECT k.sealed_key FROM audit.subject_key k WHERE k.id = v.key_id) AS "sealedKey"`;

const RECORD = `
  UPDATE audit.delivery SET attempts = attempts || $3::jsonb, status = $4, next_attempt_at = $5
  WHERE id = $1 AND next_attempt_at = $2 RETURNING id`;

/** Most attempts that are recorded in one statement. */
const MOST_AT_ONCE = 200;
const PATIENCE_MS = 1_000;

const RECORD_DELIVERED = `
  UPDATE audit.delivery d SET attempts = d.attempts || m.attempt, status = 'delivered', next_attempt_at = NULL
  FROM jsonb_to_recordset($1::jsonb) AS m (id uuid, leased_until timestamptz, attempt jsonb)
  WHERE d.id = m.id AND d.next_attempt_at = m.leased_until
  RETURNING d.id, d.webhook_id AS "webhookId"`;

/** After the attempts and not with them: rows of two tables are locked in one order everywhere, the endpoint's first. */
const RECORD_HEALTH = `
  UPDATE audit.webhook_endpoint SET failing_since = NULL WHERE id = ANY ($1::uuid[]) AND failing_since IS NOT NULL`;

interface Delivered {
  delivery: LeasedDelivery;
  attempt: AttemptRecord;
}

const STATUS = { delivered: 'delivered', retryAt: 'retrying', dead: 'dead', disableEndpoint: 'dead' } as const;

/** What is due, taken with a lease and given back with an outcome. The time is the caller's. */
@Injectable()
export class DeliveryQueue {
  private readonly delivered = new Gatherer<Delivered, boolean>({
    most: MOST_AT_ONCE,
    patienceMs: PATIENCE_MS,
    work: (delivered) => this.recordDelivered(delivered),
  });

  constructor(
    private readonly database: AuditDatabase,
    private readonly endpoints: EndpointStore,
    private readonly events: EndpointEvents,
    private readonly keys: SubjectKeys,
  ) {}

  /** Takes what is due, the oldest first, of each endpoint as many as it has places left and may get now. */
  async lease({ now, leasedUntil, most, mostPerEndpoint, ...counts }: LeaseRequest): Promise<LeasedDelivery[]> {
    const [inFlight, recent] = [counts.inFlight, counts.recent].map((map) => JSON.stringify(Object.fromEntries(map)));
    const ring = await this.keys.ring();
    const parameters = [now, mostPerEndpoint, inFlight, most, leasedUntil, recent];
    const leased = await this.database.query<LeasedDelivery & SealedEvent>(LEASE, parameters);
    return leased.map(({ sealed, sealedKey, ...delivery }) => {
      return { ...delivery, event: openEvent({ event: delivery.event, sealed, sealedKey }, ring) };
    });
  }

  /**
   * Records an attempt and what follows from it, for the endpoint too. False when the lease was lost meanwhile, or the
   * endpoint deleted: then nothing is recorded.
   */
  record(delivery: LeasedDelivery, attempt: AttemptRecord, state: DeliveryState): Promise<boolean> {
    if (state.kind === 'delivered') return this.delivered.add({ delivery, attempt });
    return this.recordFailure(delivery, attempt, state);
  }

  /** Nothing follows from most of them, so those that end at about the same time are recorded together. */
  private async recordDelivered(delivered: Delivered[]): Promise<boolean[]> {
    const rows = delivered.map(({ delivery: { id, leasedUntil }, attempt }) => ({
      id,
      leased_until: leasedUntil,
      attempt: [attempt],
    }));
    const parameters = [JSON.stringify(rows)];
    const recorded = await this.database.query<{ id: string; webhookId: string }>(RECORD_DELIVERED, parameters);
    const ids = new Set(recorded.map(({ id }) => id));
    if (ids.size > 0) await this.database.query(RECORD_HEALTH, [recorded.map(({ webhookId }) => webhookId)]);
    return delivered.map(({ delivery }) => ids.has(delivery.id));
  }

  private recordFailure(delivery: LeasedDelivery, attempt: AttemptRecord, state: DeliveryState): Promise<boolean> {
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
