import type { ApplyAnswer } from '@countersign/contracts';
import { ApiBearerAuth, ApiConsumes, ApiOperation, ApiTags, Caller, RequireAction } from '@countersign/platform';
import { Body, Controller, Headers, HttpCode, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import { testsOf } from '../policy-tests/given-tests';
import { CompileDocuments } from '../snapshot/compile-documents';
import { ApplyDocuments } from './apply-documents';
import { applyQuery, optionsOf } from './apply-query';
import { readDocuments } from './read-documents';

@ApiTags('documents')
@ApiBearerAuth()
@Controller('v1/apply')
export class ApplyController {
  constructor(
    private readonly documents: ApplyDocuments,
    private readonly compiler: CompileDocuments,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Apply documents: all of them or none' })
  @ApiConsumes('application/yaml', 'application/json')
  @HttpCode(200)
  @RequireAction('Iam:Write')
  async apply(
    @Body() body: unknown,
    @Headers('content-type') contentType: string | undefined,
    @Query({ schema: applyQuery }) query: z.infer<typeof applyQuery>,
    @Caller() caller: Caller,
  ): Promise<ApplyAnswer> {
    const raw = readDocuments(body, contentType);
    const { condition, answer } = testsOf(raw, query.test, this.compiler);
    const request = { raw, remove: [], prune: query.prune, owner: 'api' as const, caller, ...condition };
    return { ...(await this.documents.apply(request, optionsOf(query))), ...answer };
  }
}
