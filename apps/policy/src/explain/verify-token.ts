import { REFUSAL_CLASS, type ExplainedOutcome, type RefusalReason } from '@countersign/contracts';
import { Bus, askIssuerKeys } from '@countersign/messaging';
import { ProblemError } from '@countersign/platform';
import { parseSubjectToken, verifySubjectToken, type ParsedToken, type TokenRefusalReason } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { PolicyConfig } from '../config';

export interface TokenVerification {
  /** What the token says; null when it could not be read. */
  claims: Record<string, unknown> | null;
  verified: boolean;
  /** null when it is verified. */
  refusal: ExplainedOutcome | null;
}

/**
 * Verifies subject tokens as the exchange does, without using them up: with the same rules and the same keys, here,
 * since no token may travel over the bus (BUS-04).
 */
@Injectable()
export class VerifyToken {
  constructor(
    private readonly bus: Bus,
    private readonly config: PolicyConfig,
  ) {}

  /** `now` in epoch seconds. @throws UnavailableError when discovery or the issuer's keys cannot be had */
  async verify(token: string, now: number): Promise<TokenVerification> {
    const result = parseSubjectToken(token);
    if (!result.ok) return refused(result.reason, result.claims ?? null);
    const { parsed } = result;
    if (parsed.iss === this.config.publicUrl) {
      const advice = 'its policies were decided when it was issued: introspect it, or explain the exchange behind it';
      throw new ProblemError('invalid-parameter', `/token: is one of our own; ${advice}`);
    }
    const reason = await this.check(parsed, now);
    return reason === null ? { claims: parsed.claims, verified: true, refusal: null } : refused(reason, parsed.claims);
  }

  private async check(parsed: ParsedToken, now: number): Promise<TokenRefusalReason | null> {
    const answer = await askIssuerKeys(this.bus, { iss: parsed.iss, kid: parsed.kid });
    if (answer.status !== 'found') return answer.status;
    const { issuer, keys, rejectedKeys } = answer;
    const verified = verifySubjectToken({ parsed, issuer, keys, rejectedKeys, now });
    return verified.ok ? null : verified.reason;
  }
}

function refused(reason: RefusalReason, claims: Record<string, unknown> | null): TokenVerification {
  const refusal: ExplainedOutcome = {
    outcome: 'denied',
    stage: 'verify',
    class: REFUSAL_CLASS[reason],
    reason,
    detail: null,
  };
  return { claims, verified: false, refusal };
}
