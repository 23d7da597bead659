import type { RecordedEvent } from '@countersign/contracts';
import { Logger, ProblemError, UnavailableError } from '@countersign/platform';
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { readCursor, writeCursor } from '../paging';
import { EventReader, type EventFilters } from './event-reader';

const PAGE = 200;
/** Another replica stored it: nobody wakes us. */
const POLL_MS = 1_000;
/** Proxies drop connections on which nothing comes. */
const HEARTBEAT_MS = 15_000;
/** Who lost the right to read must ask again: clients come back with Last-Event-ID by themselves. */
const LONGEST_MS = 15 * 60_000;
const MOST_STREAMS = 100;
const RECONNECT_MS = 2_000;

/** Live views of the trail (HTML Living Standard, section 9.2): history after the client's last event, then what comes. */
@Injectable()
export class EventFeed implements BeforeApplicationShutdown {
  private readonly waiting = new Set<() => void>();
  private streams = 0;
  private stopping = false;

  constructor(
    private readonly reader: EventReader,
    private readonly logger: Logger,
  ) {}

  /** The trail has something new. */
  wake(): void {
    for (const go of this.waiting) go();
  }

  beforeApplicationShutdown(): void {
    this.stopping = true;
    this.wake();
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
    return this.follow(filters, position);
  }

  private async *follow(filters: EventFilters, start: string): AsyncGenerator<string> {
    const endsAt = performance.now() + LONGEST_MS;
    let position = start;
    this.streams += 1;
    try {
      // At once, so that the client sees its stream open; with its place, so that it loses nothing before the first event.
      yield `retry: ${RECONNECT_MS}\n${asId(start)}\n`;
      for (let quietSince = performance.now(); !this.stopping && performance.now() < endsAt;) {
        const page = await this.reader.following(filters, position, PAGE);
        for (const event of page.events) yield asMessage(event);
        position = page.position;
        if (page.events.length > 0) quietSince = performance.now();
        if (page.events.length < PAGE) await this.news();
        if (performance.now() < quietSince + HEARTBEAT_MS) continue;
        yield `: still here\n${asId(position)}\n`;
        quietSince = performance.now();
      }
    } catch (error) {
      // The client reconnects and goes on where it was.
      this.logger.debug('a stream of events ended early', { reason: String(error) });
    } finally {
      this.streams -= 1;
    }
  }

  private async news(): Promise<void> {
    if (this.stopping) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        clearTimeout(timer);
        this.waiting.delete(go);
        resolve();
      };
      const timer = setTimeout(go, POLL_MS);
      this.waiting.add(go);
    });
  }
}

/** Of an empty trail there is no place yet. */
const asId = (position: string): string => (position === '0' ? '' : `id: ${writeCursor(position)}\n`);

const asMessage = (event: RecordedEvent): string =>
  `${asId(event.sequence)}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
