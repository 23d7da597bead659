import type { ExchangeDecisionMessage, ExchangeEventData, TrustedIssuer } from '@countersign/contracts';
import type { Trace } from '@countersign/platform';
import type { AccessTokenClaims, VerifiedSubject } from '@countersign/tokens';
import type { FastifyRequest } from 'fastify';
import type { TokenRequest } from '../token/token-request';

/** One attempt at an exchange: filled on the way, recorded once at its end. */
export interface Attempt {
  trace: Trace;
  door: string;
  sourceIp: string;
  /** Thumbprint of the key that the caller proved to have (RFC 9449). */
  jkt: string | null;
  request: TokenRequest | null;
  issuer: TrustedIssuer | null;
  /** What the token said, while nothing of it is verified. */
  unverified: { header: Record<string, unknown>; claims: Record<string, unknown> } | null;
  subject: VerifiedSubject | null;
  decision: ExchangeDecisionMessage | null;
}

export const newAttempt = (door: string, { trace, ip }: Pick<FastifyRequest, 'trace' | 'ip'>): Attempt => ({
  trace,
  door,
  sourceIp: ip,
  jkt: null,
  request: null,
  issuer: null,
  unverified: null,
  subject: null,
  decision: null,
});

/** A token that was signed. */
export interface IssuedToken {
  claims: AccessTokenClaims;
  /** Of the token as it is sent, in hexadecimal digits: base64url may look like the beginning of a token, and be scrubbed. */
  sha256: string;
}

type Outcome = Pick<ExchangeEventData, 'outcome' | 'class' | 'reason' | 'detail'>;

/** The `data` of the attempt's event (CONTRACT section 6); `issued` only when a token was signed. */
export function describeAttempt(attempt: Attempt, outcome: Outcome, issued: IssuedToken | null): ExchangeEventData {
  const { trace, subject, issuer, decision, request } = attempt;
  return {
    door: attempt.door,
    grant: request && request.grant,
    issuer: issuer?.name ?? subject?.issuer ?? null,
    decision: decision && decisionFields(decision),
    claims: subject && subject.claims,
    unverified: subject ? null : attempt.unverified,
    token: issued && tokenFields(issued),
    request: requestFields(request),
    sourceIp: attempt.sourceIp,
    traceId: trace.traceId,
    requestId: trace.requestId,
    // At the end: V8 takes its time over each member after a spread.
    ...outcome,
  };
}

const tokenFields = ({ claims: { jti, exp, aud }, sha256 }: IssuedToken) => ({
  jti,
  exp: new Date(exp * 1000).toISOString(),
  aud: Array.isArray(aud) ? aud : [aud],
  sha256,
});

/** Everything of the request that policy decides by: the decision can be made again from the event. */
function requestFields(request: TokenRequest | null): ExchangeEventData['request'] {
  if (request === null)
    return { audience: [], resource: [], scope: null, roles: null, policies: null, permissions: null };
  const { audience, resource, scope, roles, policies, permissions } = request;
  return { audience, resource, scope, roles, policies, permissions };
}

const decisionFields = ({ roles, shadowRoles, policies, statements, revision }: ExchangeDecisionMessage) => ({
  roles,
  shadowRoles,
  policies,
  statements,
  revision,
});
