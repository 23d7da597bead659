import type { ExplainAnswer } from '@countersign/contracts';
import { RequireAction } from '@countersign/platform';
import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ExplainAttempt } from './explain-attempt';
import { parseExplainRequest } from './explain-request';

@ApiTags('decisions')
@ApiBearerAuth()
@Controller('v1/explain')
export class ExplainController {
  constructor(private readonly attempts: ExplainAttempt) {}

  @Post()
  @ApiOperation({ summary: 'Why an exchange is granted or refused, and the one edit that would admit it' })
  @HttpCode(200)
  @RequireAction('Iam:Read')
  explain(@Body() body: unknown): Promise<ExplainAnswer> {
    return this.attempts.explain(parseExplainRequest(body));
  }
}
