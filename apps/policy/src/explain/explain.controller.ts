import type { ExplainAnswer } from '@countersign/contracts';
import { ApiBearerAuth, ApiConsumes, ApiOperation, ApiTags, jsonBody, RequireAction } from '@countersign/platform';
import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { ExplainAttempt } from './explain-attempt';
import { explainBody, parseExplainRequest } from './explain-request';

@ApiTags('decisions')
@ApiBearerAuth()
@Controller('v1/explain')
export class ExplainController {
  constructor(private readonly attempts: ExplainAttempt) {}

  @Post()
  @ApiOperation({ summary: 'Why an exchange is granted or refused, and the one edit that would admit it' })
  @ApiConsumes('application/json')
  @jsonBody(explainBody)
  @HttpCode(200)
  @RequireAction('Iam:Read')
  explain(@Body() body: unknown, @Headers('content-type') type: string | undefined): Promise<ExplainAnswer> {
    return this.attempts.explain(parseExplainRequest(body, type));
  }
}
