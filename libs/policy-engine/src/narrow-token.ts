import type { CompiledRole } from './compile-role';
import type { Snapshot } from './compile-snapshot';
import { addressAllowed, limitingRoles } from './match-roles';
import { narrowScope, type ScopeRequest } from './narrow-scope';

export interface NarrowTokenRequest {
  /** Roles and policies of the token that its holder wants narrowed. */
  held: { roles: readonly string[]; policies: readonly string[] };
  scope: ScopeRequest;
  sourceIp: string | null;
}

export type NarrowTokenDecision =
  | { ok: true; roles: string[]; policies: string[] }
  | { ok: false; reason: 'scope_not_allowed' | 'address_not_allowed'; detail: string };

/** What is left of a token when its holder names a part of its roles or policies; never more than it has. */
export function narrowToken(snapshot: Snapshot, { held, scope, sourceIp }: NarrowTokenRequest): NarrowTokenDecision {
  const outside = limitingRoles(snapshot, held.roles).find((role) => !addressAllowed(role, sourceIp));
  if (outside !== undefined) {
    return { ok: false, reason: 'address_not_allowed', detail: `role ${outside.name} does not trust this address` };
  }
  if (scope.roles === null && scope.policies === null)
    return { ok: true, roles: [...held.roles], policies: [...held.policies] };
  const roles = held.roles.flatMap((name) => snapshot.roles.get(name) ?? []);
  const withinToken = roles.map((role): CompiledRole => {
    return { ...role, policies: role.policies.filter((name) => held.policies.includes(name)) };
  });
  const narrowed = narrowScope(withinToken, scope, snapshot.policies);
  if (!narrowed.ok) return { ok: false, reason: 'scope_not_allowed', detail: narrowed.detail };
  return {
    ok: true,
    roles: narrowed.roles.map(({ name }) => name).sort(),
    policies: [...new Set(narrowed.policies)].sort(),
  };
}
