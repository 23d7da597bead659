import { parseSubjectToken, verifySubjectToken, type ParsedToken, type VerifiedSubject } from '@countersign/tokens';
import type { TrustedIssuer } from '@countersign/contracts';
import { Injectable } from '@nestjs/common';
import type { Attempt } from '../trail/attempt';
import { VerificationKeys } from '../trust/verification-keys';
import { refuseToken } from './refusal';

/** A credential that a trusted issuer has signed for us. */
export interface VerifiedCredential {
  issuer: TrustedIssuer;
  subject: VerifiedSubject;
}

/** Reads a token without trusting it; what it says is noted as unverified in the attempt given. Throws Refusal. */
export function readCredential(token: string, attempt: Attempt | null): ParsedToken {
  const result = parseSubjectToken(token);
  const { header = {}, claims = {} } = result.ok ? result.parsed : result;
  if (attempt !== null) attempt.unverified = { header, claims };
  if (!result.ok) throw refuseToken(result.reason);
  return result.parsed;
}

/** Verifies tokens of trusted issuers, whichever parameter they came in. */
@Injectable()
export class CredentialVerifier {
  constructor(private readonly verificationKeys: VerificationKeys) {}

  /** `now` in epoch seconds. Throws Refusal or UnavailableError. */
  async verify(parsed: ParsedToken, now: number): Promise<VerifiedCredential> {
    const { issuer, keys, rejectedKeys } = await this.verificationKeys.find(parsed);
    const verified = verifySubjectToken({ parsed, issuer, keys, rejectedKeys, now });
    if (!verified.ok) throw refuseToken(verified.reason);
    return { issuer, subject: verified.subject };
  }
}
