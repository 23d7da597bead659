import { CheckedClaims, claimRefusal, isAcceptedType, trustworthyClaims } from './claim-rules';
import { selectKey } from './key-selection';
import { replayExpiresAt, replayKey } from './replay-key';
import { hasValidSignature } from './signature';
import { IssuerRules, ParsedToken, VerifiedSubject, VerifySubjectTokenInput, VerifySubjectTokenResult } from './types';

/**
 * Verifies a parsed subject token against the issuer it names: issuer, algorithm, key, signature, type, then
 * the claims' types, times, platform and audience (RFC 7519 section 7.2, RFC 8725). `reason` names the first
 * check that failed. Nothing about the token may be believed before this answered ok.
 */
export function verifySubjectToken(input: VerifySubjectTokenInput): VerifySubjectTokenResult {
  const { parsed, issuer, keys, rejectedKeys, now } = input;
  if (parsed.iss !== issuer.iss) return { ok: false, reason: 'issuer_unknown' };
  if (!issuer.algorithms.includes(parsed.alg)) return { ok: false, reason: 'alg' };
  const selection = selectKey(parsed, { keys, rejectedKeys, allowMissingKid: issuer.allowMissingKid });
  if (!selection.ok) return selection;
  if (!hasValidSignature(parsed, selection.key)) return { ok: false, reason: 'verify' };
  if (!isAcceptedType(parsed.typ, issuer.typ)) return { ok: false, reason: 'typ' };
  const reason = claimRefusal(parsed.claims, issuer, now);
  return reason === null ? { ok: true, subject: toSubject(parsed, issuer) } : { ok: false, reason };
}

function toSubject({ claims, signingInput }: ParsedToken, issuer: IssuerRules): VerifiedSubject {
  const { iss, sub, jti = null, iat, exp } = claims as unknown as CheckedClaims;
  return {
    issuer: issuer.name,
    iss,
    sub,
    jti,
    claims: trustworthyClaims(claims),
    iat,
    exp,
    replayKey: replayKey({ iss, jti }, signingInput),
    replayExpiresAt: replayExpiresAt({ iat, exp }),
  };
}
