import type { ExchangeReason } from '@countersign/policy-engine';
import type { TokenRefusalReason } from '@countersign/tokens';
import type { RefusalClass } from './oauth-errors';

/** Why an exchange was refused: operators read it in the trail; the caller learns the class alone. */
export type RefusalReason =
  | TokenRefusalReason
  | ExchangeReason
  | 'replayed'
  | 'replay_state_lost'
  | 'revoked'
  | 'proof_missing'
  | 'actor_not_allowed'
  | 'token_depth';

/** The class of every reason. A reason without a class does not compile. */
export const REFUSAL_CLASS: Record<RefusalReason, RefusalClass> = {
  token_size: 'malformed token',
  token_form: 'malformed token',
  json: 'malformed token',
  json_duplicate_member: 'malformed token',
  json_proto: 'malformed token',
  json_depth: 'malformed token',
  json_members: 'malformed token',
  json_not_object: 'malformed token',
  bom: 'malformed token',
  utf8: 'malformed token',
  alg: 'token not valid',
  header_jwk: 'token not valid',
  header_jku: 'token not valid',
  header_x5c: 'token not valid',
  header_x5u: 'token not valid',
  header_crit: 'token not valid',
  header_b64: 'token not valid',
  header_cty: 'token not valid',
  header_zip: 'token not valid',
  typ: 'token not valid',
  logout_token: 'token not valid',
  cnf: 'token not valid',
  issuer_unknown: 'untrusted issuer',
  kid: 'token not valid',
  kid_unknown: 'token not valid',
  kid_ambiguous: 'token not valid',
  key_alg: 'token not valid',
  key_form: 'token not valid',
  key_type: 'token not valid',
  key_curve: 'token not valid',
  key_size: 'token not valid',
  key_exponent: 'token not valid',
  key_weak: 'token not valid',
  key_small_order: 'token not valid',
  key_private: 'token not valid',
  key_symmetric: 'token not valid',
  verify: 'token not valid',
  sub: 'token not valid',
  jti: 'token not valid',
  exp: 'token not valid',
  iat: 'token not valid',
  nbf: 'token not valid',
  lifetime: 'token not valid',
  expired: 'token not valid',
  iat_future: 'token not valid',
  iat_old: 'token not valid',
  aud: 'audience not accepted',
  tid: 'token not valid',
  claims: 'token not valid',
  no_matching_role: 'not authorized',
  repository_recreated: 'not authorized',
  event_not_allowed: 'not authorized',
  address_not_allowed: 'not authorized',
  groups_overage: 'not authorized',
  scope_not_allowed: 'not authorized',
  details_not_allowed: 'not authorized',
  actor_not_allowed: 'not authorized',
  token_depth: 'not authorized',
  target_not_allowed: 'target not allowed',
  revoked: 'token not valid',
  proof_missing: 'token not valid',
  replayed: 'token already used',
  replay_state_lost: 'token not valid',
};
