import { createHash } from 'node:crypto';
import type { AccessTokenClaims, VerifiedSubject } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { SigningKeys } from '../keys/signing-keys';
import { ReplayGuard, type Use } from '../replay/replay-guard';
import { RevokeToken } from '../revocation/revoke-token';
import type { Attempt, IssuedToken } from '../trail/attempt';
import { ExchangeTrail } from '../trail/exchange-trail';
import { refuseToken } from './refusal';

/** Success of the token endpoint (RFC 6749 §5.1, RFC 8693 §2.2.1); `expires_in` in seconds. */
export interface TokenAnswer {
  access_token: string;
  issued_token_type?: string;
  token_type: 'Bearer' | 'DPoP';
  expires_in: number;
  scope: string;
}

export interface IssueOptions {
  claims: AccessTokenClaims;
  /** Seconds; nothing is issued for 0 or less. */
  expiresIn: number;
  /** Tokens that may be used once and are used up by this. */
  singleUse: VerifiedSubject[];
}

/** The last steps of every grant: reserve, sign, record, answer. */
@Injectable()
export class TokenIssuer {
  constructor(
    private readonly replay: ReplayGuard,
    private readonly signingKeys: SigningKeys,
    private readonly trail: ExchangeTrail,
    private readonly revokeToken: RevokeToken,
  ) {}

  /** Throws Refusal when a token was used before, UnavailableError when a dependency is lost. */
  async issue(attempt: Attempt, { claims, expiresIn, singleUse }: IssueOptions): Promise<TokenAnswer> {
    if (expiresIn <= 0) throw refuseToken('expired');
    const uses: Use[] = [];
    let issued: IssuedToken | null = null;
    try {
      for (const subject of singleUse) uses.push(await this.replay.reserve(subject, attempt.trace.traceId));
      const token = this.signingKeys.sign(claims);
      issued = { claims, sha256: createHash('sha256').update(token).digest('hex') };
      await this.trail.granted(attempt, issued);
      return answer(attempt, token, { claims, expiresIn });
    } catch (error) {
      // A failure of our own gives the subject token back, and voids what may stand in the trail.
      for (const use of uses) await this.replay.release(use);
      if (issued !== null) {
        this.trail.voided(attempt, issued);
        this.revokeToken.withdraw(claims);
      }
      throw error;
    }
  }
}

function answer(
  { request }: Attempt,
  token: string,
  { claims, expiresIn }: Pick<IssueOptions, 'claims' | 'expiresIn'>,
): TokenAnswer {
  const issuedTokenType = request?.issuedTokenType ?? null;
  return {
    access_token: token,
    token_type: claims.cnf === undefined ? 'Bearer' : 'DPoP',
    expires_in: expiresIn,
    scope: claims.scope ?? '',
    ...(issuedTokenType === null ? {} : { issued_token_type: issuedTokenType }),
  };
}
