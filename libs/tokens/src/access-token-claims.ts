import { pickClaims } from './pick-claims';
import { AccessTokenClaims, AccessTokenInput, VerifiedSubject } from './types';

/**
 * The claims of the access token that a decision grants (RFC 9068 section 2.2). What the subject token said
 * appears only below `fed` and in `sub`, so it can overwrite nothing of ours. `expiresIn` is in seconds and 0
 * or less when the token is bound to a subject token that is past its `exp`: then there is nothing to issue.
 */
export function accessTokenClaims(input: AccessTokenInput): { claims: AccessTokenClaims; expiresIn: number } {
  const { subject, actor, decision, scope, now } = input;
  const expiresIn = lifetimeOf(input);
  const [onlyAudience, ...others] = decision.audience;
  if (onlyAudience === undefined) throw new Error('a decision that grants no audience cannot be turned into a token');
  const claims: AccessTokenClaims = {
    iss: input.publicUrl,
    sub: localSubject(subject),
    aud: others.length === 0 ? onlyAudience : [...decision.audience],
    exp: now + expiresIn,
    iat: now,
    nbf: now,
    jti: input.jti,
    client_id: subject.issuer,
    roles: [...decision.roles],
    policy: [...decision.policies],
    policy_revision: decision.revision,
    fed: { iss: subject.iss, sub: subject.sub, jti: subject.jti, claims: federatedClaims(input) },
    // Spreads stand at the end: V8 takes its time over each member after one.
    ...(scope !== null && { scope }),
    ...(actor !== undefined && { act: { sub: localSubject(actor) } }),
    ...(input.jkt !== undefined && { cnf: { jkt: input.jkt } }),
    ...(input.authorizationDetails !== undefined && { authorization_details: [...input.authorizationDetails] }),
  };
  return { claims, expiresIn };
}

/** How a caller of a trusted issuer is called here: an issuer's name has no colon, so this is unambiguous. */
function localSubject({ issuer, sub }: VerifiedSubject): string {
  return `${issuer}:${sub}`;
}

function lifetimeOf({ subject, decision, issuerRules, deploymentMaxLifetime, now }: AccessTokenInput): number {
  const longest = Math.min(
    issuerRules.tokenExpiry,
    decision.maxTokenExpiry ?? Infinity,
    deploymentMaxLifetime,
    issuerRules.boundToSubjectExpiry ? subject.exp - now : Infinity,
  );
  return Math.max(0, Math.floor(longest));
}

/** What later decisions and revocations look at, and no more: the rest of a caller's claims stays out. */
function federatedClaims({ subject, issuerRules, referencedClaims }: AccessTokenInput): Record<string, unknown> {
  return pickClaims(subject.claims, [...issuerRules.carry, ...referencedClaims]);
}
