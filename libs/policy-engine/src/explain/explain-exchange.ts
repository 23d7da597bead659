import type { CompiledRole } from '../compile-role';
import type { CompiledIssuer, Snapshot } from '../compile-snapshot';
import { decideExchange, exchangeAttributes } from '../decide-exchange';
import type { ExchangeDecision, ExchangeRequest } from '../decisions';
import { guardedEvent } from '../guarded-events';
import { explainRole } from './explain-role';
import type { ExchangeExplanation, ExplainedRole } from './explanation';
import { nearestFirst } from './nearest-first';

export interface ExplainOptions {
  /** Most roles to evaluate; those that the index offers come first. */
  examine: number;
  /** Most roles to show. */
  show: number;
}

/** Explains what `decideExchange` decides: which roles were looked at, and which of their checks hold. */
export function explainExchange(
  snapshot: Snapshot,
  request: ExchangeRequest,
  { examine, show }: ExplainOptions = { examine: 2_000, show: 100 },
): ExchangeExplanation {
  const decision = decideExchange(snapshot, request);
  const issuer = snapshot.issuers.get(request.issuer);
  const pinned = issuer?.iss === request.claims['iss'] ? rolesOf(snapshot, issuer, request) : [];
  const explained = explainRoles(snapshot, request, { issuer, decision, roles: pinned.slice(0, examine) });
  const roles = nearestFirst(explained).slice(0, show);
  const { reason } = decision;
  const granted = decision.effect === 'Allow';
  return {
    outcome: granted ? 'granted' : 'denied',
    stage: granted ? 'granted' : reason === 'target_not_allowed' ? 'target' : 'decide',
    reason,
    decision,
    roles,
    rolesLeftOut: pinned.length - roles.length,
  };
}

/** Roles pinned to the issuer: those that the index offers, then the others. */
function rolesOf(snapshot: Snapshot, issuer: CompiledIssuer | undefined, request: ExchangeRequest): CompiledRole[] {
  const iss = issuer?.iss ?? '';
  const offered = new Set(snapshot.rolesByIssuer.candidates(iss, exchangeAttributes(request)));
  const all = [...snapshot.roles.values(), ...snapshot.disabledRoles.values()];
  return [...offered, ...all.filter((role) => role.issuers.includes(iss) && !offered.has(role))];
}

function explainRoles(
  snapshot: Snapshot,
  request: ExchangeRequest,
  given: { issuer: CompiledIssuer | undefined; decision: ExchangeDecision; roles: readonly CompiledRole[] },
): ExplainedRole[] {
  const { issuer, decision, roles } = given;
  const event = guardedEvent(issuer?.platform ?? 'generic', request.claims);
  const attributes = exchangeAttributes(request);
  const situation = { request, attributes, event, decision, publicUrl: snapshot.publicUrl };
  return roles.map((role) => explainRole(role, situation, snapshot.disabledRoles.has(role.name)));
}
