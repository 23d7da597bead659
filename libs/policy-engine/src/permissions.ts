import type { Snapshot } from './compile-snapshot';
import type { Claims } from './decisions';
import { evaluatePermission } from './evaluate-permission';
import type { Permission } from './permits';

export interface GrantedPermissionsRequest {
  policies: readonly string[];
  /** As of a PermissionRequest. */
  grantedAt?: number | undefined;
  claims: Claims;
  audiences: readonly string[];
  /** What the token is limited to already. */
  limitedTo?: readonly Permission[] | null | undefined;
  sourceIp: string | null;
  /** Epoch seconds. */
  now: number;
}

/**
 * The first pair of action and resource that the policies do not grant; null when they grant all. A wildcard asked
 * for is granted when a wildcard of a statement covers it, and, since a Deny may forbid a part of what it stands
 * for, only where no policy denies anything.
 */
export function firstNotGranted(
  snapshot: Snapshot,
  permissions: readonly Permission[],
  request: GrantedPermissionsRequest,
): { action: string; resource: string } | null {
  const pairs = permissions.flatMap(({ actions, resources }) =>
    actions.flatMap((action) => resources.map((resource) => ({ action, resource }))),
  );
  const denies = request.policies.some((name) => hasDeny(snapshot, name));
  const isAllowed = (action: string, resource: string): boolean => {
    const named = { name: action, properties: {} };
    const subject = { type: 'access_token', id: '', properties: {} };
    const about = { subject, action: named, resource, resourceProperties: {}, context: {} };
    return evaluatePermission(snapshot, { ...request, ...about }).effect === 'Allow';
  };
  const isGranted = ({ action, resource }: { action: string; resource: string }): boolean => {
    if (denies && (action.includes('*') || resource.includes('*'))) return false;
    return samplesOf(action).every((one) => samplesOf(resource).every((other) => isAllowed(one, other)));
  };
  return pairs.find((pair) => !isGranted(pair)) ?? null;
}

/** Characters that no statement spells out (private use), so that only its own `*` can match any number of them. */
const SAMPLES = ['', '\ue000', '\ue000\ue001'];

const samplesOf = (pattern: string): string[] =>
  pattern.includes('*') ? SAMPLES.map((sample) => pattern.replaceAll('*', sample)).filter(Boolean) : [pattern];

const hasDeny = (snapshot: Snapshot, policy: string): boolean =>
  snapshot.policies.get(policy)?.statements.some(({ effect }) => effect === 'Deny') ?? false;
