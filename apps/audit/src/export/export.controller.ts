import { Readable } from 'node:stream';
import { ApiBearerAuth, ApiOperation, ApiProduces, ApiTags, RequireAction } from '@countersign/platform';
import { Controller, Get, Header, Query, StreamableFile } from '@nestjs/common';
import { EventExport, exportQuerySchema, type ExportQuery } from './event-export';

/** The trail for other systems. Before EventsController, which would take `export` for the id of an event. */
@ApiTags('audit')
@ApiBearerAuth()
@RequireAction('Audit:Read')
@Controller('v1/events/export')
export class ExportController {
  constructor(private readonly exports: EventExport) {}

  @Get()
  @Header('content-type', 'application/x-ndjson')
  @Header('cache-control', 'no-store')
  @ApiProduces('application/x-ndjson')
  @ApiOperation({ summary: 'All events that match, oldest first, one in a line; as recorded, or as OCSF events' })
  async export(@Query({ schema: exportQuerySchema }) query: ExportQuery): Promise<StreamableFile> {
    return new StreamableFile(Readable.from(await this.exports.open(query), { highWaterMark: 1 }));
  }
}
