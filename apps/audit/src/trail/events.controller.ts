import { Readable } from 'node:stream';
import { cloudEventSchema, type Page, type RecordedEvent } from '@countersign/contracts';
import {
  ApiBearerAuth,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiTags,
  ProblemError,
  RequireAction,
} from '@countersign/platform';
import { Controller, Get, Header, Headers, Param, Query, StreamableFile } from '@nestjs/common';
import { z } from 'zod';
import { EventFeed } from './event-feed';
import { EventReader, eventFiltersSchema, eventQuerySchema, type EventFilters, type EventQuery } from './event-reader';

const EVENT_ID = /^[\x21-\x7e]{1,64}$/;
const recordedEventSchema = cloudEventSchema.extend({ sequence: z.string() }).meta({ id: 'RecordedEvent' });
const eventPageSchema = z
  .object({ items: z.array(recordedEventSchema), nextCursor: z.string().nullable() })
  .meta({ id: 'EventPage' });

/** The trail. */
@ApiTags('audit')
@ApiBearerAuth()
@RequireAction('Audit:Read')
@Controller('v1/events')
export class EventsController {
  constructor(
    private readonly reader: EventReader,
    private readonly feed: EventFeed,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Audit events, newest first' })
  @ApiOkResponse({ description: 'A page of events', standardSchema: eventPageSchema })
  list(@Query({ schema: eventQuerySchema }) query: EventQuery): Promise<Page<RecordedEvent>> {
    return this.reader.list(query);
  }

  @Get('stream')
  @Header('content-type', 'text/event-stream')
  @Header('cache-control', 'no-store')
  @Header('x-accel-buffering', 'no')
  @ApiProduces('text/event-stream')
  @ApiOperation({ summary: 'Audit events as they come (server-sent events), after Last-Event-ID where it is given' })
  async stream(
    @Query({ schema: eventFiltersSchema }) filters: EventFilters,
    @Headers('last-event-id') lastEventId: string | undefined,
  ): Promise<StreamableFile> {
    return new StreamableFile(Readable.from(await this.feed.open(filters, lastEventId ?? null)));
  }

  @Get(':id')
  @ApiOperation({ summary: 'One audit event' })
  @ApiOkResponse({ description: 'The event', standardSchema: recordedEventSchema })
  async get(@Param('id') id: string): Promise<RecordedEvent> {
    const event = EVENT_ID.test(id) ? await this.reader.find(id) : null;
    if (event === null) throw new ProblemError('not-found', 'There is no such event.');
    return event;
  }
}
