import { isOverage, type Attributes } from './attributes';
import type { CompiledRole } from './compile-role';
import type { CompiledIssuer, Snapshot } from './compile-snapshot';
import type { ExchangeDecision, ExchangeReason, ExchangeRequest, StatementReference } from './decisions';
import { guardedEvent } from './guarded-events';
import {
  addressAllowed,
  audiencesAllowed,
  contradictedPin,
  policyErrors,
  roleMatches,
  sortedNames,
} from './match-roles';
import { narrowScope } from './narrow-scope';
import { firstNotGranted } from './permissions';
import type { RepositoryPin } from './shorthand/repository-pins';

type Refusal = { ok: false; reason: ExchangeReason; detail: string };
type Grant = { ok: true; roles: CompiledRole[]; policies: string[]; audience: readonly string[] };

/** Decides what a verified subject token may be exchanged for. Deny unless a role contributes. */
export function decideExchange(snapshot: Snapshot, request: ExchangeRequest): ExchangeDecision {
  const issuer = snapshot.issuers.get(request.issuer);
  if (!issuer || issuer.iss !== request.claims['iss']) {
    const detail = `revision ${snapshot.revision} trusts no issuer ${request.issuer} with this iss`;
    return answer(snapshot, refuse('no_matching_role', detail), { examined: 0, shadow: [] });
  }
  const attributes = exchangeAttributes(request);
  const candidates = snapshot.rolesByIssuer.candidates(issuer.iss, attributes);
  const matched = candidates.filter((role) => roleMatches(role, attributes));
  const event = guardedEvent(issuer.platform, request.claims);
  const enforced = matched.filter((role) => !role.shadow);
  const situation = { issuer, event, request, attributes, candidates };
  const outcome = limit(snapshot, decideRoles(snapshot, situation, enforced), request);
  const audience = outcome.ok ? outcome.audience : request.audiences;
  const shadow = matched.filter(
    (role) => role.shadow && passesGuards(role, event, request) && audiencesAllowed(role, audience),
  );
  const sighting = outcome.ok ? firstSighting(outcome.roles, attributes) : null;
  return { ...answer(snapshot, outcome, { examined: candidates.length, shadow }), sighting };
}

/** A token is of one repository, so that all roles see the same. */
const firstSighting = (roles: readonly CompiledRole[], attributes: Attributes): RepositoryPin | null =>
  roles.reduce<RepositoryPin | null>((found, role) => found ?? role.repositories?.sighting(attributes) ?? null, null);

/** Permissions asked for narrow what was granted; asking for more than that is refused. */
function limit(snapshot: Snapshot, outcome: Grant | Refusal, request: ExchangeRequest): Grant | Refusal {
  if (!outcome.ok || !request.permissions) return outcome;
  const { claims, sourceIp, now } = request;
  const granted = { policies: outcome.policies, claims, audiences: outcome.audience, sourceIp, now };
  const missing = firstNotGranted(snapshot, request.permissions, granted);
  if (missing === null) return outcome;
  return refuse('details_not_allowed', `${missing.action} on ${missing.resource} is not granted to this identity`);
}

/** What condition keys read when an exchange is decided. */
export const exchangeAttributes = ({ claims, sourceIp, now, audiences }: ExchangeRequest): Attributes => ({
  claims,
  ctx: { sourceIp, time: now, audience: audiences },
});

const refuse = (reason: ExchangeReason, detail: string): Refusal => ({ ok: false, reason, detail });

const eventAllowed = (role: CompiledRole, event: string | null): boolean =>
  event === null || role.allowedEvents.includes(event);

const passesGuards = (role: CompiledRole, event: string | null, { sourceIp }: ExchangeRequest): boolean =>
  eventAllowed(role, event) && addressAllowed(role, sourceIp);

interface Situation {
  issuer: CompiledIssuer;
  /** The guarded event the token was issued in. */
  event: string | null;
  request: ExchangeRequest;
  attributes: Attributes;
  candidates: readonly CompiledRole[];
}

/** The reason of a refusal is the furthest check that any role reached. */
function decideRoles(snapshot: Snapshot, situation: Situation, matched: readonly CompiledRole[]): Grant | Refusal {
  const { event, request } = situation;
  if (matched.length === 0) return unmatched(snapshot, situation);
  const inEvent = matched.filter((role) => eventAllowed(role, event));
  if (inEvent.length === 0) return refuse('event_not_allowed', `no matching role names ${event} in allowedEvents`);
  const eligible = inEvent.filter((role) => addressAllowed(role, request.sourceIp));
  if (eligible.length > 0) return grant(snapshot, eligible, request);
  return refuse('address_not_allowed', `no matching role trusts the address ${request.sourceIp ?? '(unknown)'}`);
}

function unmatched(snapshot: Snapshot, { issuer, request, attributes, candidates }: Situation): Refusal {
  const known = candidates.filter(({ shadow }) => !shadow).map((role) => contradictedPin(role, attributes));
  const pin = known.find((found) => found !== null);
  if (pin) {
    const detail = `${pin.path} is known as repository ${pin.repositoryId} of owner ${pin.ownerId}; the token is of another`;
    return refuse('repository_recreated', detail);
  }
  if (snapshot.rolesByIssuer.readsGroups(issuer.iss) && isOverage('groups', request.claims)) {
    return refuse('groups_overage', 'the issuer left the groups out of the token (overage), and roles ask for them');
  }
  return refuse('no_matching_role', 'no role matches these claims');
}

function grant(snapshot: Snapshot, eligible: readonly CompiledRole[], request: ExchangeRequest): Grant | Refusal {
  const wanted = [...new Set(request.audiences)];
  const willing = eligible.filter((role) => audiencesAllowed(role, wanted));
  if (willing.length === 0) return refuse('target_not_allowed', 'no matching role allows the requested audiences');
  const narrowed = narrowScope(willing, request, snapshot.policies);
  if (!narrowed.ok) return refuse('scope_not_allowed', narrowed.detail);
  if (wanted.length > 0) return { audience: wanted, ...narrowed };
  const audience = defaultAudience(narrowed.roles, snapshot.publicUrl);
  if (audience === null) return refuse('target_not_allowed', 'several audiences are allowed and none was requested');
  // A role that does not allow the audience must not lend its policies to a token that carries it.
  return grant(snapshot, willing, { ...request, audiences: [audience] });
}

/** Our public URL if a contributing role allows it, else the only one they allow. */
export function defaultAudience(roles: readonly CompiledRole[], publicUrl: string): string | null {
  const allowed = new Set(roles.flatMap((role) => role.audience));
  if (allowed.has(publicUrl)) return publicUrl;
  const [only] = allowed;
  return only !== undefined && allowed.size === 1 ? only : null;
}

function answer(
  snapshot: Snapshot,
  outcome: Grant | Refusal,
  trace: { examined: number; shadow: readonly CompiledRole[] },
): ExchangeDecision {
  const roles = outcome.ok ? outcome.roles : [];
  const policies = outcome.ok ? sortedNames(outcome.policies) : [];
  return {
    effect: outcome.ok ? 'Allow' : 'Deny',
    reason: outcome.ok ? null : outcome.reason,
    detail: outcome.ok ? null : outcome.detail,
    roles: sortedNames(roles.map((role) => role.name)),
    shadowRoles: sortedNames(trace.shadow.map((role) => role.name)),
    policies,
    statements: statementsOf(snapshot, policies),
    obligations: {
      audience: outcome.ok ? [...outcome.audience] : [],
      maxTokenExpiry: least(roles.map((role) => role.maxTokenExpiry)),
      claims: sortedNames(policies.flatMap((name) => snapshot.policies.get(name)?.claims ?? [])),
      multipleAudiences: roles.length > 0 && roles.every((role) => role.multipleAudiences),
    },
    revision: snapshot.revision,
    rolesExamined: trace.examined,
    errors: policyErrors(snapshot, policies),
    sighting: null,
  };
}

const statementsOf = (snapshot: Snapshot, policies: readonly string[]): StatementReference[] =>
  policies.flatMap((policy) =>
    (snapshot.policies.get(policy)?.statements ?? []).map((statement) => ({ policy, sid: statement.sid })),
  );

function least(limits: readonly (number | null)[]): number | null {
  const set = limits.filter((limit) => limit !== null);
  return set.length === 0 ? null : Math.min(...set);
}
