import { setTimeout as delay } from 'node:timers/promises';
import { Clock, Logger } from '@countersign/platform';
import { Injectable, Optional, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { DeliveryOutcomes } from './delivery-outcomes';
import { DeliveryQueue, type LeasedDelivery } from './delivery-queue';
import { DeliverySender } from './delivery-sender';
import { DeliverySettings } from './delivery-settings';
import { EndpointLanes, type EndpointLane } from './endpoint-lane';

/** What becomes due meanwhile is leased together. */
const LOOK_APART_MS = 50;
/** For a place, once leased. */
const LONGEST_WAIT_MS = 1_000;

/** Sends what is due: many at once, few to one endpoint, each at least once. */
@Injectable()
export class DeliveryWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly lanes: EndpointLanes;
  /** Attempts until they are recorded. */
  private readonly running = new Set<Promise<void>>();
  private stopping = false;
  private looking: Promise<void> = Promise.resolve();
  private lookAgain = (): void => undefined;
  private isWoken = false;
  /** More was due than this process takes at once. */
  private isFull = false;

  constructor(
    private readonly queue: DeliveryQueue,
    private readonly sender: DeliverySender,
    private readonly outcomes: DeliveryOutcomes,
    private readonly logger: Logger,
    private readonly clock: Clock,
    @Optional() private readonly settings: DeliverySettings = new DeliverySettings(),
  ) {
    this.lanes = new EndpointLanes(settings.maxAttemptsPerEndpoint);
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
    await this.giveBack(this.lanes.clear());
    await within(this.settings.stopMs, Promise.all(this.running));
  }

  private async look(): Promise<void> {
    while (!this.stopping) {
      this.isWoken = false;
      const apart = delay(LOOK_APART_MS);
      const taken = await this.take();
      for (const delivery of taken) this.lanes.of(delivery.webhookId).add(delivery);
      for (const { webhookId } of taken) this.fill(this.lanes.of(webhookId));
      if (taken.length === 0) await this.rest();
      await apart;
    }
  }

  private async take(): Promise<LeasedDelivery[]> {
    const { maxAttempts, maxAttemptsPerEndpoint: usualRoom, leaseMs } = this.settings;
    const most = maxAttempts - this.running.size - this.lanes.queued;
    this.isFull = most <= 0;
    if (this.isFull) return [];
    const now = this.clock.now();
    const times = { now: new Date(now), leasedUntil: new Date(now + leaseMs) };
    try {
      const taken = await this.queue.lease({ ...times, ...this.lanes.limits(now), most, usualRoom });
      this.isFull = taken.length === most;
      return taken;
    } catch (error) {
      this.logger.debug('cannot look for deliveries', { reason: String(error) });
      return [];
    }
  }

  /** Starts what has a place. */
  private fill(lane: EndpointLane): void {
    if (this.stopping) return;
    const now = this.clock.now();
    // The receiver has become slow; what waits should hear of a changed endpoint or an erased subject.
    if (lane.leaseEndsBefore(now + this.settings.leaseMs - LONGEST_WAIT_MS)) void this.giveBack(lane.clear());
    for (let next = lane.start(now); next !== null; next = lane.start(now)) this.start(lane, next);
  }

  private start(lane: EndpointLane, delivery: LeasedDelivery): void {
    const run = this.deliver(lane, delivery)
      .catch((error: unknown) => this.logger.error('an attempt was not recorded', { error, delivery: delivery.id }))
      .finally(() => {
        this.running.delete(run);
        if (this.isFull) this.wake();
      });
    this.running.add(run);
  }

  private async deliver(lane: EndpointLane, delivery: LeasedDelivery): Promise<void> {
    const { attempt, state } = await this.sender.send(delivery);
    const recording = this.outcomes.record(delivery, attempt, state);
    if (state.kind === 'delivered') this.free(lane, (now) => lane.succeed(now));
    else await this.settleFailure(lane, recording);
    if (!(await recording)) this.logger.warn('the lease of a delivery was lost', { delivery: delivery.id });
  }

  /** It may be the end of the endpoint: nothing else is started before that is known, and what waits is given back. */
  private async settleFailure(lane: EndpointLane, recording: Promise<unknown>): Promise<void> {
    lane.fail();
    try {
      await recording;
    } finally {
      await this.giveBack(lane.clear());
      this.free(lane, () => lane.endFailure());
    }
  }

  private free(lane: EndpointLane, end: (now: number) => void): void {
    const now = this.clock.now();
    // More is due only where as much was taken as there was room for.
    if (lane.room(now) === 0) this.wake();
    end(now);
    this.fill(lane);
  }

  /** When it fails, their leases end by themselves. */
  private async giveBack(deliveries: LeasedDelivery[]): Promise<void> {
    if (deliveries.length === 0) return;
    try {
      await this.queue.giveBack(deliveries);
      this.wake();
    } catch (error) {
      this.logger.debug('deliveries were not given back', { reason: String(error) });
    }
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
