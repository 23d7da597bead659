import type { Page } from '@countersign/contracts';
import { ApiBearerAuth, ApiOperation, ApiTags, Caller, ProblemError, RequireAction } from '@countersign/platform';
import { Controller, Delete, Get, HttpCode, Param, Put, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { allowQuery } from '../lint/allowed-rules';
import type { Preconditions } from './etag';
import { pageQuery } from './page';
import { readDocuments } from './read-documents';
import { Resources } from './resources';

const kinds = ['JwtIssuer', 'Policy', 'Role'] as const;
const listQuery = pageQuery.extend({ kind: z.enum(kinds).optional() });
const putQuery = z.strictObject({ allow: allowQuery });
const key = z.object({ kind: z.string(), name: z.string() });
type Key = z.infer<typeof key>;

@ApiTags('documents')
@ApiBearerAuth()
@Controller('v1/resources')
export class ResourcesController {
  constructor(private readonly resources: Resources) {}

  @Get()
  @ApiOperation({ summary: 'Documents as they were given' })
  @RequireAction('Iam:Read')
  list(@Query({ schema: listQuery }) query: z.infer<typeof listQuery>): Promise<Page<unknown>> {
    return this.resources.list(query);
  }

  @Get(':kind/:name')
  @ApiOperation({ summary: 'One document, with its ETag' })
  @RequireAction('Iam:Read')
  async get(@Param({ schema: key }) { kind, name }: Key, @Res({ passthrough: true }) reply: FastifyReply) {
    const { raw, etag } = await this.resources.get({ kind, name });
    void reply.header('etag', etag);
    return raw;
  }

  @Put(':kind/:name')
  @ApiOperation({ summary: 'Store one document (If-Match)' })
  @RequireAction('Iam:Write')
  async put(
    @Param({ schema: key }) path: Key,
    @Query({ schema: putQuery }) { allow }: z.infer<typeof putQuery>,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { body, headers } = reply.request;
    const raw = onlyOne(readDocuments(body, headers['content-type']));
    const change = { caller, preconditions: preconditionsOf(headers), allow };
    const { created, etag, document } = await this.resources.put(path, raw, change);
    void reply.code(created ? 201 : 200).header('etag', etag);
    return document;
  }

  @Delete(':kind/:name')
  @ApiOperation({ summary: 'Delete one document (If-Match)' })
  @HttpCode(204)
  @RequireAction('Iam:Write')
  delete(
    @Param({ schema: key }) path: Key,
    @Caller() caller: Caller,
    @Req() { headers }: FastifyRequest,
  ): Promise<void> {
    return this.resources.delete(path, { caller, preconditions: preconditionsOf(headers) });
  }
}

const preconditionsOf = (headers: FastifyRequest['headers']): Preconditions => ({
  ifMatch: headers['if-match'],
  ifNoneMatch: headers['if-none-match'],
});

function onlyOne(documents: unknown[]): unknown {
  if (documents.length === 1) return documents[0];
  throw new ProblemError('invalid-document', 'The body must be one document.');
}
