import { ApiBody, ApiConsumes, ApiHeader, ApiOkResponse, ApiOperation, ApiResponse } from '@countersign/platform';
import { applyDecorators } from '@nestjs/common';
import { z } from 'zod';

const text = (description: string) => ({ type: 'string', description });
const list = (description: string) => ({ type: 'array', items: { type: 'string' }, description });

/** Every form parameter, whichever grant it belongs to; the grant decides which are required. */
const FORM = {
  type: 'object',
  required: ['grant_type'],
  properties: {
    grant_type: {
      type: 'string',
      enum: [
        'urn:ietf:params:oauth:grant-type:token-exchange',
        'urn:ietf:params:oauth:grant-type:jwt-bearer',
        'client_credentials',
      ],
    },
    subject_token: text('Token exchange: the token of a trusted issuer, or one of ours to be narrowed'),
    subject_token_type: text('urn:ietf:params:oauth:token-type: and jwt, id_token or access_token'),
    requested_token_type: text('urn:ietf:params:oauth:token-type: and access_token or jwt'),
    actor_token: text('Who acts for the subject; may_act of the subject token must name it'),
    actor_token_type: text('As subject_token_type; together with actor_token'),
    assertion: text('jwt-bearer: the token of a trusted issuer'),
    client_assertion: text('client_credentials: the token of a trusted issuer'),
    client_assertion_type: text('urn:ietf:params:oauth:client-assertion-type:jwt-bearer'),
    client_id: text('client_credentials: the Role to be limited to'),
    audience: list('Audiences of the token; may be repeated'),
    resource: list('The same as absolute URIs (RFC 8707); may be repeated'),
    scope: text('Space separated role:NAME and policy:NAME; only narrows'),
    authorization_details: text('JSON array of countersign_permission objects (RFC 9396); only narrows'),
  },
};

const answer = z.object({
  access_token: z.string(),
  issued_token_type: z.string().optional(),
  token_type: z.enum(['Bearer', 'DPoP']),
  expires_in: z.number().int(),
  scope: z.string(),
});

const refusal = z.object({ error: z.string(), error_description: z.string(), trace_id: z.string() });

/** Describes a path of the token endpoint in the API description. */
export const DescribeTokenEndpoint = (summary: string) =>
  applyDecorators(
    ApiOperation({ summary }),
    ApiConsumes('application/x-www-form-urlencoded'),
    ApiBody({ schema: FORM }),
    ApiHeader({ name: 'DPoP', required: false, description: 'A proof of the key to bind the token to (RFC 9449)' }),
    ApiOkResponse({ description: 'The access token', standardSchema: answer }),
    ApiResponse({ status: 400, description: 'Refused (RFC 6749 section 5.2)', standardSchema: refusal }),
    ApiResponse({ status: 401, description: 'Refused, to a client that used Authorization', standardSchema: refusal }),
    ApiResponse({ status: 429, description: 'Refused too often; Retry-After', standardSchema: refusal }),
    ApiResponse({ status: 503, description: 'A dependency is lost; Retry-After', standardSchema: refusal }),
  );
