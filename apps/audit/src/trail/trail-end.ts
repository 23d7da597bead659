import type { RecordedEvent } from '@countersign/contracts';
import { eventFacts, type EventFacts } from './event-facts';
import type { EventFilters, EventReader } from './event-reader';

const PAGE = 200;
/** What another replica stored wakes nobody here; who has left is noticed. */
const POLL_MS = 1_000;
/** Looks in a row: a database that stumbles ends nobody's stream, one that is away does. */
const MOST_FAILURES = 10;
/** For a client that reads slowly; after that it has to read from the database again. */
const MOST_WAITING = 1_000;

export interface Arrived {
  events: RecordedEvent[];
  /** Up to here there are no others. */
  position: string;
}

type Described = readonly [RecordedEvent, EventFacts];

const isAfter = (position: string, other: string): boolean => Number(position) > Number(other);

/** As the filters of the database: by what is stored of an event in columns. */
function passes({ role, ...others }: EventFilters, facts: EventFacts): boolean {
  if (role !== undefined && !facts.roles.includes(role)) return false;
  return Object.entries(others).every(
    ([name, wanted]) => wanted === undefined || facts[name as keyof EventFacts] === wanted,
  );
}

/** Wakes who waits for it; one that nobody waited for is remembered. */
class Bell {
  private isRung = false;
  private go = (): void => undefined;

  ring(): void {
    this.isRung = true;
    this.go();
  }

  /** Resolves at the next ring, and after a second without. */
  async wait(): Promise<void> {
    if (!this.isRung) await this.next();
    this.isRung = false;
  }

  private next(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.go = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Somebody who waits at the end of the trail. */
class Place {
  private events: RecordedEvent[] = [];
  private failure: unknown;
  private isLost = false;
  private readonly bell = new Bell();

  constructor(
    private readonly filters: EventFilters,
    private position: string,
  ) {}

  take(arrivals: readonly Described[], position: string): void {
    for (const [event, facts] of arrivals)
      if (isAfter(event.sequence, this.position) && passes(this.filters, facts)) this.events.push(event);
    if (isAfter(position, this.position)) this.position = position;
    this.isLost ||= this.events.length > MOST_WAITING;
    if (this.isLost) this.events = [];
    if (this.isLost || this.events.length > 0) this.bell.ring();
  }

  /** Nothing more comes here. */
  end(failure?: unknown): void {
    this.failure = failure;
    this.isLost = true;
    this.bell.ring();
  }

  /** What has come since, waited for a while; null when too much has. @throws what ended the looking */
  async next(): Promise<Arrived | null> {
    if (this.events.length === 0 && !this.isLost) await this.bell.wait();
    if (this.failure !== undefined) throw this.failure as Error;
    if (this.isLost) return null;
    const { events, position } = this;
    this.events = [];
    return { events, position };
  }
}

/** The end of the trail: one look at what is new serves all who wait there, and nobody looks while nobody waits. */
export class TrailEnd {
  private readonly places = new Set<Place>();
  private position = '0';
  private isLooking = false;
  private isStopped = false;
  private readonly bell = new Bell();

  constructor(private readonly reader: EventReader) {}

  /**
   * What comes after `position`, at least once a second something, if only an empty page. For those who have read up to
   * there: it ends when there is more by now, or they are too slow. Then they read on, and come again.
   * @throws UnavailableError
   */
  async *follow(filters: EventFilters, position: string): AsyncGenerator<Arrived> {
    if (this.isStopped || (this.isLooking && isAfter(this.position, position))) return;
    const place = new Place(filters, position);
    this.places.add(place);
    if (!this.isLooking) void this.lookWhileAwaited(position);
    try {
      for (let next = await place.next(); next !== null; next = await place.next()) yield next;
    } finally {
      this.places.delete(place);
      if (this.places.size === 0) this.wake();
    }
  }

  /** The trail has something new. */
  wake(): void {
    this.bell.ring();
  }

  /** Sends everybody away, for good. */
  stop(): void {
    this.isStopped = true;
    this.dismiss();
    this.wake();
  }

  private dismiss(failure?: unknown): void {
    for (const place of this.places) place.end(failure);
    this.places.clear();
  }

  private async lookWhileAwaited(position: string): Promise<void> {
    this.isLooking = true;
    this.position = position;
    for (let failures = 0; this.places.size > 0;) {
      try {
        const isMore = await this.look();
        failures = 0;
        if (isMore) continue;
      } catch (error) {
        failures += 1;
        if (failures > MOST_FAILURES) this.dismiss(error);
      }
      await this.bell.wait();
    }
    this.isLooking = false;
  }

  private async look(): Promise<boolean> {
    const { events, position } = await this.reader.following({}, this.position, PAGE);
    const arrivals = events.map((event) => [event, eventFacts(event)] as const);
    // Both at once: who joins next is told the new position.
    this.position = position;
    for (const place of this.places) place.take(arrivals, position);
    return events.length === PAGE;
  }
}
