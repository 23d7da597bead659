import { ADMIN_ACTIONS, GRANT_TYPES } from '@countersign/contracts';
import { dpopAlgorithms } from '@countersign/tokens';

/** Signing algorithms our tokens may have; RFC 9068 §2.1 wants RS256 among them. */
const SIGNING_ALGORITHMS = ['ES256', 'RS256', 'EdDSA'];
/** What a JwtIssuer accepts that names no algorithms: its tokens are the client assertions (RFC 7523 §2.2). */
const ASSERTION_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];
const DOCUMENTATION = 'https://countersign.dev/docs';

/** Authorization server metadata (RFC 8414 §2; RFC 9449 §5.1, RFC 9396 §10, RFC 9728 §4) of the deployment at `publicUrl`. */
export const authorizationServerMetadata = (publicUrl: string) => ({
  issuer: publicUrl,
  token_endpoint: `${publicUrl}/oauth2/token`,
  token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
  token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
  introspection_endpoint: `${publicUrl}/oauth2/introspect`,
  // An access token that allows Token:Introspect, by its registered type (RFC 8414 §2).
  introspection_endpoint_auth_methods_supported: ['Bearer'],
  revocation_endpoint: `${publicUrl}/oauth2/revoke`,
  revocation_endpoint_auth_methods_supported: ['none'],
  jwks_uri: `${publicUrl}/oauth2/jwks`,
  grant_types_supported: Object.keys(GRANT_TYPES),
  // There is no authorization endpoint.
  response_types_supported: [],
  dpop_signing_alg_values_supported: dpopAlgorithms,
  authorization_details_types_supported: ['countersign_permission'],
  protected_resources: [publicUrl],
  service_documentation: DOCUMENTATION,
});

/** The same as OpenID Provider metadata (OpenID Connect Discovery 1.0 §3), with the members it requires. */
export const openIdConfiguration = (publicUrl: string) => ({
  ...authorizationServerMetadata(publicUrl),
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: SIGNING_ALGORITHMS,
  claims_supported: [
    'iss',
    'sub',
    'aud',
    'exp',
    'iat',
    'nbf',
    'jti',
    'client_id',
    'scope',
    'roles',
    'policy',
    'fed',
    'act',
    'cnf',
    'authorization_details',
  ],
});

/** Our admin endpoints as a protected resource (RFC 9728 §2): they take our own tokens. */
export const protectedResourceMetadata = (publicUrl: string) => ({
  resource: publicUrl,
  authorization_servers: [publicUrl],
  bearer_methods_supported: ['header'],
  scopes_supported: ADMIN_ACTIONS,
  resource_name: 'countersign',
  resource_documentation: DOCUMENTATION,
});
