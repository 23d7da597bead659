import type { CloudEvent, EventType } from '@countersign/contracts';
import { createEvent, currentTrace } from '@countersign/platform';
import type { AccessTokenClaims } from '@countersign/tokens';
import type { RevocationRow } from './revocation-rows';

function event(type: EventType, source: string, subject: string, data: Record<string, unknown>): CloudEvent {
  const trace = currentTrace();
  const { traceId, requestId } = trace;
  return createEvent({ type, source, subject, data: { ...data, traceId, requestId }, trace });
}

/** Somebody who held the token revoked it. */
export function tokenRevoked(source: string, claims: AccessTokenClaims, sourceIp: string): CloudEvent {
  const { sub, jti, exp, aud, client_id: issuer, roles, policy, fed } = claims;
  return event('dev.countersign.token.revoked.v1', source, sub, {
    outcome: 'revoked',
    reason: 'revoked_by_holder',
    issuer,
    decision: { roles, policies: policy },
    claims: fed.claims,
    token: { jti, exp: new Date(exp * 1000).toISOString(), aud: [aud].flat() },
    sourceIp,
  });
}

/** Tokens were revoked by claim, issuer or role, or are no longer; `author` is who did that. */
export function revocationChanged(
  change: 'created' | 'deleted',
  source: string,
  row: RevocationRow,
  author: string,
): CloudEvent {
  const { id, issuer, role, claims, reason, createdAt, expiresAt } = row;
  return event(`dev.countersign.revocation.${change}.v1`, source, id, {
    outcome: change,
    revocationId: id,
    issuer,
    role,
    claims,
    reason,
    author,
    revokedUntil: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  });
}
