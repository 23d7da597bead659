import type { DeliveryAnswer } from '@countersign/contracts';
import { Clock, ProblemError } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditDatabase } from '../database';
import { readKeptRange } from '../trail/kept-range';
import { EndpointStore } from '../webhooks/endpoint-store';
import { DeliveryReader } from './delivery-reader';
import { DeliveryWorker } from './delivery-worker';
import { insertDeliveries } from './new-deliveries';

/** Events that one step looks through. */
const STEP = 500;
const STEP_LIMIT = { limitMs: 10_000 };
/** Longer ago than this, events are read from `GET /v1/events` instead. */
const LONGEST_MS = 14 * 86_400_000;

/** Deliveries made again because somebody asked. */
@Injectable()
export class Redelivery {
  constructor(
    private readonly database: AuditDatabase,
    private readonly endpoints: EndpointStore,
    private readonly deliveries: DeliveryReader,
    private readonly worker: DeliveryWorker,
    private readonly clock: Clock,
  ) {}

  /**
   * One attempt more, at once, whatever came of those before.
   * @throws ProblemError 404, 409 for a disabled endpoint; UnavailableError
   */
  async redeliver(deliveryId: string): Promise<DeliveryAnswer> {
    const delivery = await this.deliveries.find(deliveryId);
    if (delivery === null) throw new ProblemError('not-found', 'There is no such delivery.');
    await this.database.transaction(async (manager) => {
      await this.lockEnabled(manager, delivery.webhookId);
      await manager.query(
        `UPDATE audit.delivery SET status = 'pending', next_attempt_at = $2 WHERE id = $1 AND next_attempt_at IS NULL`,
        [deliveryId, new Date(this.clock.now())],
      );
    });
    this.worker.wake();
    return (await this.deliveries.find(deliveryId)) ?? delivery;
  }

  /**
   * Everything since a time that the endpoint wants and has not taken: dead letters, and what it was not sent while it
   * was disabled. Resolves with how many deliveries are on their way.
   * @throws ProblemError 404, 409 for a disabled endpoint, 422 for a time too long ago or from which on events were
   * removed by retention; UnavailableError
   */
  async recover(webhookId: string, since: Date): Promise<{ recovered: number }> {
    if (since.getTime() < this.clock.now() - LONGEST_MS) {
      throw new ProblemError('invalid-parameter', 'since: must be within the last 14 days');
    }
    await this.refuseRemoved(since);
    let recovered = await this.revive(webhookId, since);
    for (let after: string | null = '0'; after !== null;) {
      const step = await this.queueMissed(webhookId, since, after);
      recovered += step.made;
      after = step.last;
    }
    this.worker.wake();
    return { recovered };
  }

  private async refuseRemoved(since: Date): Promise<void> {
    const { begunAt } = await this.database.run(readKeptRange);
    if (begunAt === null || begunAt <= since) return;
    const detail = `since: events from before ${begunAt.toISOString()} were removed by retention`;
    throw new ProblemError('invalid-parameter', detail);
  }

  private revive(webhookId: string, since: Date): Promise<number> {
    return this.database.transaction(async (manager) => {
      await this.lockEnabled(manager, webhookId);
      const [revived] = await manager.query<[unknown[], number]>(
        `UPDATE audit.delivery SET status = 'pending', next_attempt_at = $3
         WHERE webhook_id = $1 AND status = 'dead' AND created_at >= $2 RETURNING id`,
        [webhookId, since, new Date(this.clock.now())],
      );
      return revived.length;
    }, STEP_LIMIT);
  }

  private queueMissed(webhookId: string, since: Date, after: string): Promise<{ made: number; last: string | null }> {
    return this.database.transaction(async (manager) => {
      const endpoint = await this.lockEnabled(manager, webhookId);
      const events = await this.deliveries.eventsAfter(manager, { webhookId, since, after, limit: STEP });
      const missed = events.filter(({ isQueued }) => !isQueued).map(({ event }) => event);
      const made = await insertDeliveries(manager, missed, [endpoint], this.clock.now());
      return { made, last: events.length < STEP ? null : (events.at(-1)?.event.sequence ?? null) };
    }, STEP_LIMIT);
  }

  private async lockEnabled(manager: EntityManager, id: string) {
    const endpoint = await this.endpoints.lock(manager, id);
    if (endpoint === null) throw new ProblemError('not-found', 'There is no such webhook.');
    if (endpoint.disabled) throw new ProblemError('conflict', 'The webhook is disabled: enable it first.');
    return endpoint;
  }
}
