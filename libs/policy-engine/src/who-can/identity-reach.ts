import type { Snapshot } from '../compile-snapshot';
import { decideExchange } from '../decide-exchange';
import type { Claims } from '../decisions';
import { evaluatePermission } from '../evaluate-permission';
import { permissionRequest, type PermissionQuestion } from '../permission-request';

/** An identity as a past exchange showed it. */
export interface SeenIdentity {
  /** Name of the JwtIssuer. */
  issuer: string;
  /** Verified. */
  claims: Claims;
  /** What was asked for; empty means the default. */
  audiences: readonly string[];
  sourceIp: string | null;
}

/**
 * The roles that would give an identity what is asked, if it came again at `now` (epoch seconds) and asked for all it
 * can have: its exchange is decided, and then the question put with that token. Null when it may not.
 */
export function rolesThatLet(
  snapshot: Snapshot,
  { issuer, claims, audiences, sourceIp }: SeenIdentity,
  { now, ...question }: PermissionQuestion & { now: number },
): string[] | null {
  const request = { issuer, claims, audiences, sourceIp, now, roles: null, policies: null };
  const exchange = decideExchange(snapshot, request);
  if (exchange.effect === 'Deny') return null;
  const { effect, determining } = evaluatePermission(snapshot, permissionRequest(request, exchange, question));
  if (effect === 'Deny') return null;
  const policies = new Set(determining.map(({ policy }) => policy));
  return exchange.roles.filter((name) => snapshot.roles.get(name)?.policies.some((policy) => policies.has(policy)));
}
