import type { CompiledPolicy } from './compile-policy';
import type { CompiledRole } from './compile-role';

export interface ScopeRequest {
  /** null means no narrowing. */
  roles: readonly string[] | null;
  /** null means no narrowing. */
  policies: readonly string[] | null;
}

export type Narrowed = { ok: true; roles: CompiledRole[]; policies: string[] } | { ok: false; detail: string };

/**
 * Narrows what the roles grant to what the scope names. It never widens: a policy that only denies stays in
 * force although it is not named, and one that denies and allows cannot be left out.
 */
export function narrowScope(
  roles: readonly CompiledRole[],
  scope: ScopeRequest,
  policies: ReadonlyMap<string, CompiledPolicy>,
): Narrowed {
  const chosen = roles.filter((role) => scope.roles?.includes(role.name) ?? true);
  const granting = chosen.filter((role) => role.policies.some((name) => scope.policies?.includes(name) ?? true));
  const granted = new Set(granting.flatMap((role) => role.policies));
  const unknown = [
    ...missingFrom(scope.roles, new Set(chosen.map((role) => role.name))),
    ...missingFrom(scope.policies, granted),
  ];
  if (unknown.length > 0 || granting.length === 0) {
    return { ok: false, detail: `not granted to this identity: ${unknown.join(', ')}` };
  }
  const named = new Set([...granted].filter((name) => scope.policies?.includes(name) ?? true));
  const left = roles.flatMap((role) => role.policies).filter((name) => !named.has(name));
  const denying = left.filter((name) => hasEffect(policies.get(name), 'Deny'));
  const mixed = denying.find((name) => hasEffect(policies.get(name), 'Allow'));
  if (mixed !== undefined) return { ok: false, detail: `policy ${mixed} also denies and cannot be left out` };
  return { ok: true, roles: granting, policies: [...named, ...denying] };
}

const missingFrom = (wanted: readonly string[] | null, present: ReadonlySet<string>): string[] =>
  (wanted ?? []).filter((name) => !present.has(name));

const hasEffect = (policy: CompiledPolicy | undefined, effect: 'Allow' | 'Deny'): boolean =>
  policy?.statements.some((statement) => statement.effect === effect) ?? false;
