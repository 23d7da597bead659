import type { Page, PinAnswer } from '@countersign/contracts';
import { ApiBearerAuth, ApiOperation, ApiTags, Caller, ProblemError, RequireAction } from '@countersign/platform';
import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { z } from 'zod';
import { pageQuery } from '../documents/page';
import { RepositoryPinning } from './repository-pinning';

const listQuery = pageQuery.extend({ repository: z.string().min(1).max(1_024).optional() });

@ApiTags('pins')
@ApiBearerAuth()
@Controller('v1/pins')
export class PinsController {
  constructor(private readonly pins: RepositoryPinning) {}

  @Get()
  @ApiOperation({ summary: 'Repositories and the ids they are pinned to, newest first' })
  @RequireAction('Iam:Read')
  list(@Query({ schema: listQuery }) query: z.infer<typeof listQuery>): Promise<Page<PinAnswer>> {
    return this.pins.list(query);
  }

  @Delete(':id')
  @ApiOperation({ summary: 'Forget the ids of a repository that was recreated on purpose' })
  @HttpCode(204)
  @RequireAction('Iam:Write')
  delete(@Param('id') id: string, @Caller() caller: Caller): Promise<void> {
    if (!z.uuid().safeParse(id).success) throw new ProblemError('not-found', `There is no pin ${id.slice(0, 64)}.`);
    return this.pins.delete(id, caller);
  }
}
