import { ApiBody, ApiConsumes, ApiOkResponse, ApiOperation, ApiTags, Public } from '@countersign/platform';
import { Controller, Header, HttpCode, Post, Req, UseFilters } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { TOKEN_FORM } from '../introspection/introspection.controller';
import { OAuthErrorFilter } from '../token/oauth-error.filter';
import { RevocationEndpoint } from './revocation-endpoint';

/** Token revocation, for whoever holds the token. */
@Public()
@ApiTags('token')
@UseFilters(OAuthErrorFilter)
@Controller()
export class RevocationController {
  constructor(private readonly endpoint: RevocationEndpoint) {}

  @Post('oauth2/revoke')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Revoke the token at once; to hold it is enough (RFC 7009)' })
  @ApiConsumes('application/x-www-form-urlencoded')
  @ApiBody({ schema: TOKEN_FORM })
  @ApiOkResponse({ description: 'It counts no more, or never did' })
  revoke(@Req() request: FastifyRequest): Promise<void> {
    return this.endpoint.revoke(request);
  }
}
