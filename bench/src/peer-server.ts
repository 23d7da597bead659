import { generateKeyPairSync } from 'node:crypto';
import { createRemoteJWKSet, errors as joseErrors, jwtVerify } from 'jose';
import { errors, Provider, type Context } from 'oidc-provider';
import { AUDIENCE, TOKEN_EXCHANGE } from './exchange-form';

// The peer: what a team that knows oidc-provider would write for the same request. It stores nothing durably and
// decides nothing.

const { ISSUER = '', PORT = '' } = process.env;
const RESOURCE = 'https://shop.example.com';
const keys = createRemoteJWKSet(new URL(`${ISSUER}/jwks`));
/** Every `jti` that was exchanged, and when it may be forgotten. */
const seen = new Map<string, number>();

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'peer' }] },
  clients: [
    {
      client_id: 'bench',
      token_endpoint_auth_method: 'none',
      grant_types: [TOKEN_EXCHANGE],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  features: { devInteractions: { enabled: false }, resourceIndicators: { enabled: true } },
  ttl: { AccessToken: 600 },
});
const resourceServer = new provider.ResourceServer(RESOURCE, {
  audience: RESOURCE,
  scope: '',
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg: 'ES256' } },
});

/** The subject of the token. @throws InvalidGrant */
async function verified(token: string): Promise<string> {
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE, algorithms: ['RS256'] });
    const { jti, sub, exp = 0 } = payload;
    if (jti === undefined || sub === undefined || seen.has(jti)) throw new errors.InvalidGrant('used');
    seen.set(jti, exp);
    return sub;
  } catch (error) {
    throw error instanceof joseErrors.JOSEError ? new errors.InvalidGrant('subject token is invalid') : error;
  }
}

async function exchange(context: Context): Promise<void> {
  const { client, params } = context.oidc;
  const accountId = await verified(params['subject_token'] ?? '');
  const token = new provider.AccessToken({ accountId, client, gty: 'token-exchange', scope: '' });
  token.resourceServer = resourceServer;
  context.oidc.entity('AccessToken', token);
  context.body = {
    access_token: await token.save(),
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: token.tokenType,
    expires_in: token.expiration,
  };
}

provider.registerGrantType(TOKEN_EXCHANGE, exchange, ['subject_token', 'subject_token_type']);
provider.listen(Number(PORT), '127.0.0.1');
