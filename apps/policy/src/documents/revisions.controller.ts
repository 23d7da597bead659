import type { Page, RevisionAnswer } from '@countersign/contracts';
import { ProblemError, RequireAction } from '@countersign/platform';
import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { PolicyDatabase } from '../policy-database';
import { openCursor, pageOf, pageQuery } from './page';
import { findRevision, listRevisions, type RevisionWithDiff } from './revision-rows';

const revisionNumber = z.coerce.number().int().min(1).max(2_147_483_647);

@ApiTags('documents')
@ApiBearerAuth()
@Controller('v1/revisions')
export class RevisionsController {
  constructor(private readonly database: PolicyDatabase) {}

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
  async get(@Param('number') text: string): Promise<RevisionWithDiff> {
    const { data: number } = revisionNumber.safeParse(text);
    const found = number === undefined ? number : await this.database.run((manager) => findRevision(manager, number));
    if (found === undefined) throw new ProblemError('not-found', `There is no revision ${text.slice(0, 20)}.`);
    return found;
  }
}
