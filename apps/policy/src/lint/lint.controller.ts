import type { LintAnswer } from '@countersign/contracts';
import { ApiBearerAuth, ApiConsumes, ApiOperation, ApiTags, RequireAction } from '@countersign/platform';
import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { LintRequest } from './lint-request';

@ApiTags('documents')
@ApiBearerAuth()
@Controller('v1/lint')
export class LintController {
  constructor(private readonly requests: LintRequest) {}

  @Post()
  @ApiOperation({ summary: 'What documents say that is dangerous, dead, or better said otherwise; nothing is stored' })
  @ApiConsumes('application/yaml', 'application/json')
  @HttpCode(200)
  @RequireAction('Iam:Read')
  lint(@Body() body: unknown, @Headers('content-type') contentType: string | undefined): Promise<LintAnswer> {
    return this.requests.lint(body, contentType);
  }
}
