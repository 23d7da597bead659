import { setTimeout as delay } from 'node:timers/promises';
import { Clock, Logger, Metrics } from '@countersign/platform';
import { Injectable, Optional, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { countBy, DeliveryPace } from './delivery-pace';
import { DeliveryQueue, type LeasedDelivery } from './delivery-queue';
import { DeliverySender } from './delivery-sender';
import { DeliverySettings } from './delivery-settings';

const LOOK_APART_MS = 10;

/** Sends what is due: many at once, few to one endpoint, each at least once. */
@Injectable()
export class DeliveryWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly running = new Map<Promise<void>, string>();
  private readonly pace = new DeliveryPace();
  private readonly attempts;
  private stopping = false;
  private looking: Promise<void> = Promise.resolve();
  private lookAgain = (): void => undefined;
  private isWoken = false;

  constructor(
    private readonly queue: DeliveryQueue,
    private readonly sender: DeliverySender,
    private readonly logger: Logger,
    metrics: Metrics,
    private readonly clock: Clock,
    @Optional() private readonly settings: DeliverySettings = new DeliverySettings(),
  ) {
    this.attempts = metrics.counter('countersign_webhook_attempts_total', 'Delivery attempts by what came of them', [
      'result',
    ]);
  }

  onApplicationBootstrap(): void {
    this.looking = this.look();
  }

  /** Something may be due now. */
  wake(): void {
    this.isWoken = true;
    this.lookAgain();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.looking;
    await within(this.settings.stopMs, Promise.all(this.running.keys()));
  }

  private async look(): Promise<void> {
    while (!this.stopping) {
      this.isWoken = false;
      const taken = await this.take();
      for (const delivery of taken) this.start(delivery);
      if (taken.length === 0) await this.rest();
      // Places become free one by one: what is due is taken for all that did meanwhile.
      await delay(LOOK_APART_MS);
    }
  }

  private async take(): Promise<LeasedDelivery[]> {
    const { maxAttempts, maxAttemptsPerEndpoint, leaseMs } = this.settings;
    const most = maxAttempts - this.running.size;
    if (most <= 0) return [];
    const now = this.clock.now();
    const counts = { inFlight: countBy(this.running.values()), recent: this.pace.recent(now) };
    const times = { now: new Date(now), leasedUntil: new Date(now + leaseMs) };
    try {
      const taken = await this.queue.lease({ ...times, ...counts, most, mostPerEndpoint: maxAttemptsPerEndpoint });
      for (const { webhookId } of taken) this.pace.note(webhookId, now);
      return taken;
    } catch (error) {
      this.logger.debug('cannot look for deliveries', { reason: String(error) });
      return [];
    }
  }

  private start(delivery: LeasedDelivery): void {
    const run = this.deliver(delivery)
      .catch((error: unknown) => this.logger.error('an attempt was not recorded', { error, delivery: delivery.id }))
      .finally(() => {
        this.running.delete(run);
        this.wake();
      });
    this.running.set(run, delivery.webhookId);
  }

  private async deliver(delivery: LeasedDelivery): Promise<void> {
    const { attempt, state } = await this.sender.send(delivery);
    this.attempts.inc({ result: state.kind });
    if (await this.queue.record(delivery, attempt, state)) return;
    this.logger.warn('the lease of a delivery was lost', { delivery: delivery.id });
  }

  private async rest(): Promise<void> {
    if (this.isWoken) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.settings.pollMs);
      this.lookAgain = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
