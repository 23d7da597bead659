import type { CloudEvent } from '@countersign/contracts';
import { createEvent, type Caller, type EventInput, type Trace } from '@countersign/platform';
import type { AccessTokenClaims } from '@countersign/tokens';
import type { RevocationRow } from './revocation-rows';

/** Whoever shows a token: more is not known of them. */
export interface Holder {
  sourceIp: string;
  trace: Trace;
}

function event({ data, ...input }: EventInput): CloudEvent {
  const { traceId, requestId } = input.trace;
  return createEvent({ ...input, data: { ...data, traceId, requestId } });
}

/** Somebody who held the token revoked it. */
export function tokenRevoked(source: string, claims: AccessTokenClaims, { sourceIp, trace }: Holder): CloudEvent {
  const { sub, jti, exp, aud, client_id: issuer, roles, policy, fed } = claims;
  const data = {
    outcome: 'revoked',
    reason: 'revoked_by_holder',
    issuer,
    decision: { roles, policies: policy },
    claims: fed.claims,
    token: { jti, exp: new Date(exp * 1000).toISOString(), aud: [aud].flat() },
    sourceIp,
  };
  return event({ type: 'dev.countersign.token.revoked.v1', source, subject: sub, data, trace });
}

/** Tokens were revoked by claim, issuer or role, or are no longer; `caller` is who did that. */
export function revocationChanged(
  change: 'created' | 'deleted',
  source: string,
  row: RevocationRow,
  { author, trace }: Caller,
): CloudEvent {
  const { id, issuer, role, claims, reason, createdAt, expiresAt } = row;
  const data = {
    outcome: change,
    revocationId: id,
    issuer,
    role,
    claims,
    reason,
    author,
    revokedUntil: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  };
  return event({ type: `dev.countersign.revocation.${change}.v1`, source, subject: id, data, trace });
}
