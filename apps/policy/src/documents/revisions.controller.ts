import type { ApplyAnswer, Page, RevisionAnswer, RevisionDetailAnswer } from '@countersign/contracts';
import { ApiBearerAuth, ApiOperation, ApiTags, Caller, ProblemError, RequireAction } from '@countersign/platform';
import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { PolicyDatabase } from '../policy-database';
import { checkQuery, optionsOf } from './apply-query';
import { openCursor, pageOf, pageQuery } from './page';
import { RestoreRevision } from './restore-revision';
import { findRevision, listRevisions } from './revision-rows';

const notFound = (text: string): ProblemError =>
  new ProblemError('not-found', `There is no revision ${text.slice(0, 20)}.`);

const revisionNumber = z.coerce.number().int().min(1).max(2_147_483_647);

@ApiTags('documents')
@ApiBearerAuth()
@Controller('v1/revisions')
export class RevisionsController {
  constructor(
    private readonly database: PolicyDatabase,
    private readonly restoration: RestoreRevision,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Revisions, newest first' })
  @RequireAction('Iam:Read')
  async list(@Query({ schema: pageQuery }) query: z.infer<typeof pageQuery>): Promise<Page<RevisionAnswer>> {
    const before = openCursor(query.cursor, revisionNumber);
    const rows = await this.database.run((manager) => listRevisions(manager, before, query.limit + 1));
    return pageOf(rows, query.limit, { item: (row) => row, position: ({ revision }) => revision });
  }

  @Get(':number')
  @ApiOperation({ summary: 'One revision, with its diff' })
  @RequireAction('Iam:Read')
  async get(@Param('number') text: string): Promise<RevisionDetailAnswer> {
    const { data: number } = revisionNumber.safeParse(text);
    const found = number === undefined ? number : await this.database.run((manager) => findRevision(manager, number));
    if (found === undefined) throw notFound(text);
    return found;
  }

  @Post(':number/restore')
  @ApiOperation({ summary: "Bring the API's documents back to what they were after a revision" })
  @HttpCode(200)
  @RequireAction('Iam:Write')
  async restore(
    @Param('number') text: string,
    @Query({ schema: checkQuery }) query: z.infer<typeof checkQuery>,
    @Caller() caller: Caller,
  ): Promise<ApplyAnswer> {
    const { data: number } = revisionNumber.safeParse(text);
    if (number === undefined) throw notFound(text);
    return this.restoration.restore(number, caller, optionsOf(query));
  }
}
