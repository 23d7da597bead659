import type { LeasedDelivery } from './delivery-queue';

const PACE_WINDOW_MS = 1_000;
/** What an endpoint took in this time may wait for it: one that is new, slow or fails has nothing waiting. */
const AHEAD_WINDOW_MS = 100;

/** What this process has leased of one endpoint: a few attempts under way, the others wait, the oldest first. */
export class EndpointLane {
  private waiting: LeasedDelivery[] = [];
  private underWay = 0;
  private failures = 0;
  private starts: number[] = [];
  private successes: number[] = [];

  /** Attempts at a time. */
  constructor(private readonly places: number) {}

  /** How many deliveries wait for a place. */
  get queued(): number {
    return this.waiting.length;
  }

  /** How many more may be leased: for the places that are free, and to keep them filled until the next look. */
  room(now: number): number {
    if (this.failures > 0) return 0;
    this.successes = within(AHEAD_WINDOW_MS, this.successes, now);
    return Math.max(0, this.places + this.successes.length - this.underWay - this.waiting.length);
  }

  /** Attempts of the last second and those that wait: a backlog is delivered, not let loose. */
  spent(now: number): number {
    this.starts = within(PACE_WINDOW_MS, this.starts, now);
    return this.starts.length + this.waiting.length;
  }

  add(delivery: LeasedDelivery): void {
    this.waiting.push(delivery);
  }

  /** Nothing is under way or waits, and the pace of the last second does not matter any more. */
  isIdle(now: number): boolean {
    return this.underWay === 0 && this.spent(now) === 0;
  }

  /** The lease of something that waits ends before this time. */
  leaseEndsBefore(time: number): boolean {
    const [oldest] = this.waiting;
    return oldest !== undefined && oldest.leasedUntil.getTime() < time;
  }

  /** The next delivery takes a place; null when there is none, of either. */
  start(now: number): LeasedDelivery | null {
    if (this.underWay >= this.places || this.failures > 0) return null;
    const next = this.waiting.shift();
    if (next === undefined) return null;
    this.underWay += 1;
    this.starts.push(now);
    return next;
  }

  /** An attempt has failed: nothing starts before it has ended. */
  fail(): void {
    this.failures += 1;
    this.successes = [];
  }

  /** An attempt that did not fail has ended. */
  succeed(now: number): void {
    this.successes.push(now);
    this.underWay -= 1;
  }

  /** What follows from a failure is done. */
  endFailure(): void {
    this.failures -= 1;
    this.underWay -= 1;
  }

  /** Nothing waits any more; what did. */
  clear(): LeasedDelivery[] {
    return this.waiting.splice(0);
  }
}

/** The lanes of all endpoints that something is or was just sent to. */
export class EndpointLanes {
  private readonly lanes = new Map<string, EndpointLane>();

  constructor(private readonly places: number) {}

  of(webhookId: string): EndpointLane {
    const lane = this.lanes.get(webhookId) ?? new EndpointLane(this.places);
    this.lanes.set(webhookId, lane);
    return lane;
  }

  /** What may be leased, by endpoint. */
  limits(now: number): { room: Map<string, number>; spent: Map<string, number> } {
    for (const [id, lane] of this.lanes) if (lane.isIdle(now)) this.lanes.delete(id);
    const lanes = [...this.lanes];
    return {
      room: new Map(lanes.map(([id, lane]) => [id, lane.room(now)])),
      spent: new Map(lanes.map(([id, lane]) => [id, lane.spent(now)])),
    };
  }

  /** How many deliveries wait for a place. */
  get queued(): number {
    return [...this.lanes.values()].reduce((sum, { queued }) => sum + queued, 0);
  }

  clear(): LeasedDelivery[] {
    return [...this.lanes.values()].flatMap((lane) => lane.clear());
  }
}

/** A clock that was put back must not hold anything up. */
const within = (windowMs: number, times: readonly number[], now: number): number[] =>
  times.filter((at) => at > now - windowMs && at <= now);
