import type { Attributes } from './attributes';
import type { CompiledPolicy, CompiledStatement } from './compile-policy';
import type { CompiledRole } from './compile-role';
import type { Snapshot } from './compile-snapshot';
import { evaluateCheck, holds, templateValues } from './conditions';
import type { DeterminingStatement, EngineError, PermissionDecision, PermissionRequest } from './decisions';
import { addressAllowed, limitingRoles, policyErrors } from './match-roles';
import { matchPattern, type Pattern } from './patterns';
import { permits } from './permits';
import type { TemplateValues } from './value-kind';

/** Decides one action on one resource under the named policies. Deny wins; nothing that applies means Deny. */
export function evaluatePermission(snapshot: Snapshot, request: PermissionRequest): PermissionDecision {
  const names = [...new Set(request.policies)];
  const policies = names.flatMap((name) => snapshot.policies.get(name) ?? []);
  const attributes = permissionAttributes(request);
  const applying = policies.flatMap((policy) => applyingStatements(policy, request, attributes));
  const denies = applying.filter(({ effect }) => effect === 'Deny');
  const outside = new Set([...policiesOutside(snapshot, request), ...policiesSince(policies, request)]);
  const allows = applying.filter(({ effect, policy }) => effect === 'Allow' && !outside.has(policy));
  return {
    effect: denies.length === 0 && allows.length > 0 && isWithinLimit(request) ? 'Allow' : 'Deny',
    determining: denies.length > 0 ? denies : allows,
    revision: snapshot.revision,
    errors: [
      ...names.filter((name) => !snapshot.policies.has(name)).map(missingPolicy),
      ...policyErrors(snapshot, names),
    ],
  };
}

const isWithinLimit = ({ limitedTo, action, resource }: PermissionRequest): boolean =>
  !limitedTo || permits(limitedTo, action.name, resource);

const missingPolicy = (name: string): EngineError => ({
  kind: 'Policy',
  name,
  path: '',
  code: 'missing_policy',
  message: `there is no Policy named "${name}"; it grants nothing`,
});

/** What condition keys read when a permission is decided. */
export function permissionAttributes(request: PermissionRequest): Attributes {
  const { claims, subject, action, resource, context, sourceIp, now } = request;
  const colon = resource.indexOf(':');
  return {
    claims,
    ctx: { sourceIp, time: now, audience: request.audiences ?? [] },
    subject,
    action,
    resource: {
      type: colon < 0 ? '' : resource.slice(0, colon),
      id: resource.slice(colon + 1),
      properties: request.resourceProperties,
    },
    context,
  };
}

function applyingStatements(
  policy: CompiledPolicy,
  request: PermissionRequest,
  attributes: Attributes,
): DeterminingStatement[] {
  return policy.statements
    .filter((statement) => statementApplies(statement, request, attributes))
    .map(({ sid, effect }) => ({ policy: policy.name, sid, effect }));
}

/** Whether action, resource and condition of a statement hold. */
export function statementApplies(
  statement: CompiledStatement,
  request: PermissionRequest,
  attributes: Attributes,
): boolean {
  const { effect } = statement;
  const valueOf = templateValues(attributes);
  if (matchesAny(statement.actions, request.action.name, valueOf) !== true) return false;
  // A template without a value: the Allow does not apply, the Deny does.
  if (!(matchesAny(statement.resources, request.resource, valueOf) ?? effect === 'Deny')) return false;
  return statement.checks.every((check) => holds(check, evaluateCheck(check, attributes), effect));
}

/** Whether one of the patterns matches; null when a template in them has no value. */
export function matchesAny(patterns: readonly Pattern[], text: string, valueOf: TemplateValues): boolean | null {
  let result: boolean | null = false;
  for (const pattern of patterns) {
    const matches = matchPattern(pattern, text, valueOf);
    if (matches) return true;
    if (matches === null) result = null;
  }
  return result;
}

/** Policies that took the name of one which the token was granted. They allow it nothing; what they deny, they deny. */
const policiesSince = (policies: readonly CompiledPolicy[], { grantedAt = Infinity }: PermissionRequest): string[] =>
  policies.filter(({ since }) => since > grantedAt).map(({ name }) => name);

/** Policies that the token holds only through roles which do not trust the address it is used from, or are used up. */
function policiesOutside(snapshot: Snapshot, { roles = [], sourceIp, uses = 0 }: PermissionRequest): string[] {
  const held = limitingRoles(snapshot, roles);
  const isUsable = (role: CompiledRole): boolean =>
    (sourceIp === null || addressAllowed(role, sourceIp)) && (role.maxUses === 0 || uses <= role.maxUses);
  const inside = held.filter(isUsable).flatMap((role) => role.policies);
  const outside = held.filter((role) => !isUsable(role)).flatMap((role) => role.policies);
  return outside.filter((name) => !inside.includes(name));
}
