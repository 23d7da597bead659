import type { Page, RevocationAnswer } from '@countersign/contracts';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  Caller,
  jsonBody,
  ProblemError,
  RequireAction,
} from '@countersign/platform';
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import {
  pageQuerySchema,
  parseRevocation,
  revocationAnswerSchema,
  revocationPageSchema,
  revocationRequestSchema,
  type PageQuery,
} from './revocation-schema';
import { Revocations } from './revocations';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Revocation of every token with certain claims, of an issuer or under a role. */
@ApiTags('revocations')
@ApiBearerAuth()
@RequireAction('Token:Revoke')
@Controller('v1/revocations')
export class RevocationsController {
  constructor(private readonly revocations: Revocations) {}

  @Post()
  @ApiOperation({ summary: 'Revoke every token issued so far whose issuer, role and claims match' })
  @jsonBody(revocationRequestSchema)
  @ApiCreatedResponse({
    description: 'In force here, and within two seconds everywhere',
    standardSchema: revocationAnswerSchema,
  })
  async create(
    @Body() body: unknown,
    @Caller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RevocationAnswer> {
    const answer = await this.revocations.create(parseRevocation(body), caller);
    void reply.header('location', `/v1/revocations/${answer.id}`);
    return answer;
  }

  @Get()
  @ApiOperation({ summary: 'Revocations in force, newest first' })
  @ApiOkResponse({ description: 'A page of revocations', standardSchema: revocationPageSchema })
  list(@Query({ schema: pageQuerySchema }) query: PageQuery): Promise<Page<RevocationAnswer>> {
    return this.revocations.list(query);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Take a revocation back: tokens that only it killed live again' })
  @ApiNoContentResponse({ description: 'Deleted' })
  async delete(@Param('id') id: string, @Caller() caller: Caller): Promise<void> {
    if (!UUID.test(id)) throw new ProblemError('not-found', 'There is no such revocation.');
    await this.revocations.delete(id, caller);
  }
}
