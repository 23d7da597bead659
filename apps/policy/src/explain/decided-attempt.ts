import { REFUSAL_CLASS, type ExplainedOutcome } from '@countersign/contracts';
import {
  explainExchange,
  explainPermission,
  permissionRequest,
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
  const { decision } = explanation;
  const asksForMore = permission !== null && decision.effect === 'Allow';
  return {
    issuer,
    request,
    explanation,
    outcome: outcomeOf(explanation),
    permission: asksForMore ? explainPermission(snapshot, permissionRequest(request, decision, permission)) : null,
  };
}

function outcomeOf({ outcome, stage, reason, decision }: ExchangeExplanation): ExplainedOutcome {
  return { outcome, stage, class: reason && REFUSAL_CLASS[reason], reason, detail: decision.detail };
}
