import { REFUSAL_CLASS, type ExplainedOutcome } from '@countersign/contracts';
import {
  explainExchange,
  explainPermission,
  type ExchangeExplanation,
  type ExchangeRequest,
  type PermissionExplanation,
  type Snapshot,
} from '@countersign/policy-engine';
import type { Evidence } from './evidence';
import type { ExplainQuestion } from './explain-request';

/** What the documents of one revision make of an attempt. */
export interface DecidedAttempt {
  /** Name of the JwtIssuer behind the claims. */
  issuer: string;
  request: ExchangeRequest;
  explanation: ExchangeExplanation;
  outcome: ExplainedOutcome;
  /** null unless it was asked for and something is granted. */
  permission: PermissionExplanation | null;
}

/** null when there are no claims, or no enabled JwtIssuer has their `iss`. */
export function decideAttempt(
  snapshot: Snapshot,
  { claims, asked }: Evidence,
  permission: ExplainQuestion['permission'],
): DecidedAttempt | null {
  const issuer = [...snapshot.issuers.values()].find(({ iss }) => iss === claims?.['iss'])?.name;
  if (claims === null || issuer === undefined) return null;
  const { scope: _, ...rest } = asked;
  const request: ExchangeRequest = { issuer, claims, ...rest };
  const explanation = explainExchange(snapshot, request);
  return {
    issuer,
    request,
    explanation,
    outcome: outcomeOf(explanation),
    permission: permission && permissionOf(snapshot, { request, explanation }, permission),
  };
}

function outcomeOf({ outcome, stage, reason, decision }: ExchangeExplanation): ExplainedOutcome {
  return { outcome, stage, class: reason && REFUSAL_CLASS[reason], reason, detail: decision.detail };
}

/** As the token that is granted could use it, at once and from the same address. */
function permissionOf(
  snapshot: Snapshot,
  { request, explanation: { decision } }: Pick<DecidedAttempt, 'request' | 'explanation'>,
  { action, resource }: NonNullable<ExplainQuestion['permission']>,
): PermissionExplanation | null {
  if (decision.effect === 'Deny') return null;
  const { claims, issuer, permissions, sourceIp, now } = request;
  return explainPermission(snapshot, {
    policies: decision.policies,
    roles: decision.roles,
    claims,
    audiences: decision.obligations.audience,
    subject: { type: 'access_token', id: `${issuer}:${String(claims['sub'])}`, properties: {} },
    action: { name: action, properties: {} },
    resource,
    resourceProperties: {},
    context: {},
    limitedTo: permissions,
    sourceIp,
    now,
  });
}
