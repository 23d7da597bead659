import type { RecordedEvent } from '@countersign/contracts';
import { Logger, ProblemError, UnavailableError } from '@countersign/platform';
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { readCursor, writeCursor } from '../paging';
import { EventReader, type EventFilters } from './event-reader';
import { TrailEnd, type Arrived } from './trail-end';

const PAGE = 200;
/** Proxies drop connections on which nothing comes. */
const HEARTBEAT_MS = 15_000;
/** Who lost the right to read must ask again: clients come back with Last-Event-ID by themselves. */
const LONGEST_MS = 15 * 60_000;
const MOST_STREAMS = 100;
const RECONNECT_MS = 2_000;

/** Live views of the trail (HTML Living Standard, section 9.2): history after the client's last event, then what comes. */
@Injectable()
export class EventFeed implements BeforeApplicationShutdown {
  private readonly end: TrailEnd;
  private streams = 0;
  private stopping = false;

  constructor(
    private readonly reader: EventReader,
    private readonly logger: Logger,
  ) {
    this.end = new TrailEnd(reader);
  }

  /** The trail has something new. */
  wake(): void {
    this.end.wake();
  }

  beforeApplicationShutdown(): void {
    this.stopping = true;
    this.end.stop();
  }

  /**
   * The chunks of one stream; without `lastEventId` it begins with the next event.
   * @throws ProblemError invalid-parameter, UnavailableError
   */
  async open(filters: EventFilters, lastEventId: string | null): Promise<AsyncGenerator<string>> {
    const position = lastEventId === null ? await this.reader.newestPosition() : readCursor(lastEventId);
    if (position === null) throw new ProblemError('invalid-parameter', 'Last-Event-ID: is not an id of this stream');
    if (this.stopping || this.streams >= MOST_STREAMS)
      throw new UnavailableError('audit-log', { retryAfterSeconds: 5 });
    return this.follow(filters, position, await this.reader.removedPosition());
  }

  private async *follow(filters: EventFilters, start: string, removed: number): AsyncGenerator<string> {
    const endsAt = performance.now() + LONGEST_MS;
    this.streams += 1;
    try {
      // At once, so that the client sees its stream open; with its place, so that it loses nothing before the first event.
      yield `retry: ${RECONNECT_MS}\n${asId(start)}\n`;
      if (Number(start) < removed) yield `: events up to sequence ${removed} were removed by retention\n\n`;
      let quietSince = performance.now();
      for await (const { events, position } of this.arrivals(filters, start)) {
        for (const event of events) yield asMessage(event);
        const now = performance.now();
        if (now > endsAt) break;
        const isHeard = events.length > 0;
        if (!isHeard && now < quietSince + HEARTBEAT_MS) continue;
        if (!isHeard) yield `: still here\n${asId(position)}\n`;
        quietSince = now;
      }
    } catch (error) {
      // The client reconnects and goes on where it was.
      this.logger.debug('a stream of events ended early', { reason: String(error) });
    } finally {
      this.streams -= 1;
    }
  }

  /** What comes after a position: page by page, then as it comes. */
  private async *arrivals(filters: EventFilters, start: string): AsyncGenerator<Arrived> {
    for (let position = start; !this.stopping;) {
      const page = await this.reader.following(filters, position, PAGE);
      yield page;
      position = page.position;
      if (page.events.length === PAGE) continue;
      for await (const arrived of this.end.follow(filters, position)) {
        yield arrived;
        position = arrived.position;
      }
    }
  }
}

/** Of an empty trail there is no place yet. */
const asId = (position: string): string => (position === '0' ? '' : `id: ${writeCursor(position)}\n`);

const asMessage = (event: RecordedEvent): string =>
  `${asId(event.sequence)}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
