import { ApiTags, Public } from '@countersign/platform';
import { Controller, Header, HttpCode, Post, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { OAuthErrorFilter } from './oauth-error.filter';
import { DescribeTokenEndpoint } from './token-api';
import type { TokenAnswer } from './token-issuer';
import { TokenEndpoint } from './token-endpoint';

/** The token endpoint, under our path and under that of OpenFaaS. */
@Public()
@ApiTags('token')
@UseFilters(OAuthErrorFilter)
@Controller()
export class TokenController {
  constructor(private readonly endpoint: TokenEndpoint) {}

  @Post('oauth2/token')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @DescribeTokenEndpoint('Exchange a token of a trusted issuer for an access token (RFC 8693, RFC 7523)')
  token(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<TokenAnswer> {
    return this.endpoint.answer(request, reply, { lenientScope: false });
  }

  @Post('oauth/token')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @DescribeTokenEndpoint('The same under the path of IAM for OpenFaaS; scopes it does not know are ignored')
  openFaasToken(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<TokenAnswer> {
    return this.endpoint.answer(request, reply, { lenientScope: true });
  }
}
