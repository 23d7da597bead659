/** The classes of refusal: all that a caller of the token endpoint ever learns about why. */
export const REFUSAL_CLASSES = [
  'malformed token',
  'untrusted issuer',
  'token not valid',
  'audience not accepted',
  'token already used',
  'not authorized',
  'target not allowed',
] as const;

export type RefusalClass = (typeof REFUSAL_CLASSES)[number];

/** Grants by their short name, as they stand in audit events. */
export const GRANT_TYPES = {
  'urn:ietf:params:oauth:grant-type:token-exchange': 'token-exchange',
  'urn:ietf:params:oauth:grant-type:jwt-bearer': 'jwt-bearer',
  client_credentials: 'client-credentials',
} as const;

export type GrantType = keyof typeof GRANT_TYPES;
export type GrantName = (typeof GRANT_TYPES)[GrantType];

/** `error` values of RFC 6749 §5.2, RFC 6750 §3.1, RFC 8693 §2.2.2, RFC 8707 §2, RFC 9396 §5, RFC 9449 §5 that we answer with. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_authorization_details'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'temporarily_unavailable'
  | 'slow_down';

/** The code for a bad credential: it depends on the grant (RFC 8693 §2.2.2, RFC 7523 §3.1 and §3.2). */
export const BAD_CREDENTIAL_CODE: Record<GrantName, OAuthErrorCode> = {
  'token-exchange': 'invalid_request',
  'jwt-bearer': 'invalid_grant',
  'client-credentials': 'invalid_client',
};

/** Body of every refusal of the token endpoint (RFC 6749 §5.2 and our `trace_id`). */
export interface OAuthErrorBody {
  error: OAuthErrorCode;
  error_description: string;
  trace_id: string;
}
