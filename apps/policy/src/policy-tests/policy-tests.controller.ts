import type { PolicyTestsAnswer } from '@countersign/contracts';
import { ApiBearerAuth, ApiConsumes, ApiOperation, ApiTags, RequireAction } from '@countersign/platform';
import { Body, Controller, Headers, HttpCode, Post, Query } from '@nestjs/common';
import { readDocuments } from '../documents/read-documents';
import { RunPolicyTests } from './run-policy-tests';
import { testQuery, type TestQuery } from './test-query';

@ApiTags('documents')
@ApiBearerAuth()
@Controller('v1/test')
export class PolicyTestsController {
  constructor(private readonly tests: RunPolicyTests) {}

  @Post()
  @ApiOperation({ summary: 'Run PolicyTests against documents that are not applied yet' })
  @ApiConsumes('application/yaml', 'application/json')
  @HttpCode(200)
  @RequireAction('Iam:Read')
  run(
    @Body() body: unknown,
    @Headers('content-type') contentType: string | undefined,
    @Query({ schema: testQuery }) query: TestQuery,
  ): Promise<PolicyTestsAnswer> {
    return this.tests.run(readDocuments(body, contentType), query);
  }
}
