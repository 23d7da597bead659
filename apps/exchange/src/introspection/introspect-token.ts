import { tokenCheck, type IntrospectionAnswer } from '@countersign/contracts';
import type { AccessTokenClaims } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { TokenStatus } from '../revocation/token-status';
import { OwnTokens } from './own-tokens';

/** What a token says of itself, in the words of RFC 7662 §2.2, RFC 9068, RFC 9396 §9.2 and RFC 9449 §6.2. */
function describeToken(claims: AccessTokenClaims): IntrospectionAnswer {
  const { iss, sub, aud, exp, iat, nbf, jti, client_id, scope, roles, policy, act, cnf, authorization_details } =
    claims;
  return {
    active: true,
    ...{ iss, sub, aud, exp, iat, nbf, jti, client_id },
    ...(scope !== undefined && { scope }),
    ...{ roles, policy },
    token_type: cnf?.['jkt'] === undefined ? 'Bearer' : 'DPoP',
    ...(act !== undefined && { act }),
    ...(cnf !== undefined && { cnf }),
    ...(authorization_details !== undefined && { authorization_details }),
  };
}

/** Tells a resource server whether a token counts at this moment. */
@Injectable()
export class IntrospectToken {
  constructor(
    private readonly tokens: OwnTokens,
    private readonly status: TokenStatus,
  ) {}

  /** Why a token is not active is nobody's business (RFC 7662 §2.2). Throws UnavailableError. */
  async introspect(token: string): Promise<IntrospectionAnswer> {
    const claims = await this.tokens.verify(token);
    if (claims === null) return { active: false };
    const { revoked } = await this.status.check(tokenCheck(claims));
    // A token is accepted for some seconds past its end where clocks differ, but nobody is told that it is active.
    if (revoked || claims.exp <= Date.now() / 1000) return { active: false };
    return describeToken(claims);
  }
}
