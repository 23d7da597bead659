import type { StaleAnswer } from '@countersign/contracts';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags, RequireAction } from '@countersign/platform';
import { Controller, Get, Query } from '@nestjs/common';
import { z } from 'zod';
import { FindStale } from './find-stale';
import { staleAnswerSchema } from './stale-answer';

const staleQuery = z.strictObject({ days: z.coerce.number().int().min(1).max(3_650).default(90) });

@ApiTags('review')
@ApiBearerAuth()
@Controller('v1/stale')
export class StaleController {
  constructor(private readonly find: FindStale) {}

  @Get()
  @ApiOperation({ summary: 'Stale trust: issuers, roles and statements that were of no use for so many days' })
  @ApiOkResponse({ description: 'What is stale', standardSchema: staleAnswerSchema })
  @RequireAction('Iam:Read')
  list(@Query({ schema: staleQuery }) { days }: z.infer<typeof staleQuery>): Promise<StaleAnswer> {
    return this.find.answer(days);
  }
}
