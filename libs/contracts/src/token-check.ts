import type { AccessTokenClaims } from '@countersign/tokens';
import type { TokenCheck } from './messages';

/** What is asked of the exchange about an access token that verified: what a revocation can name of it, no more. */
export function tokenCheck(claims: AccessTokenClaims, countUse = false): TokenCheck {
  const { jti, parents = [], client_id: issuer, fed, roles, iat, exp } = claims;
  const { iss, sub } = fed;
  const named = { ...fed.claims, iss, sub, ...(fed.jti === null ? {} : { jti: fed.jti }) };
  return { jti, parents, issuer, iss, roles, claims: named, iat, exp, countUse };
}
