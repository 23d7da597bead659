import type { IntrospectionAnswer } from '@countersign/contracts';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  RequireAction,
} from '@countersign/platform';
import { Controller, Header, HttpCode, Post, Req, UseFilters } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { OAuthErrorFilter } from '../token/oauth-error.filter';
import { IntrospectToken } from './introspect-token';
import { presentedToken } from './own-tokens';

/** The form of introspection and revocation. */
export const TOKEN_FORM = {
  type: 'object',
  required: ['token'],
  properties: { token: { type: 'string' }, token_type_hint: { type: 'string' } },
};

const answerSchema = z
  .object({
    active: z.boolean(),
    iss: z.string().optional(),
    sub: z.string().optional(),
    aud: z.union([z.string(), z.array(z.string())]).optional(),
    exp: z.int().optional(),
    iat: z.int().optional(),
    nbf: z.int().optional(),
    jti: z.string().optional(),
    client_id: z.string().optional(),
    scope: z.string().optional(),
    roles: z.array(z.string()).optional(),
    policy: z.array(z.string()).optional(),
    token_type: z.enum(['Bearer', 'DPoP']).optional(),
    act: z.record(z.string(), z.unknown()).optional(),
    cnf: z.record(z.string(), z.unknown()).optional(),
    authorization_details: z.array(z.unknown()).optional(),
  })
  .meta({ id: 'Introspection' });

/** Token introspection, for resource servers that may ask. */
@ApiTags('token')
@ApiBearerAuth()
@UseFilters(OAuthErrorFilter)
@Controller()
export class IntrospectionController {
  constructor(private readonly introspection: IntrospectToken) {}

  @Post('oauth2/introspect')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @RequireAction('Token:Introspect')
  @ApiOperation({ summary: 'Whether a token counts at this moment, and what it says (RFC 7662)' })
  @ApiConsumes('application/x-www-form-urlencoded')
  @ApiBody({ schema: TOKEN_FORM })
  @ApiOkResponse({ description: 'Of anything not active only `active`', standardSchema: answerSchema })
  introspect(@Req() request: FastifyRequest): Promise<IntrospectionAnswer> {
    return this.introspection.introspect(presentedToken(request));
  }
}
