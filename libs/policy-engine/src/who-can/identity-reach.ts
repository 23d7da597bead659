import type { Snapshot } from '../compile-snapshot';
import { decideExchange } from '../decide-exchange';
import type { Claims } from '../decisions';
import { evaluatePermission } from '../evaluate-permission';
import type { ReachQuestion } from './statement-reach';

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
  { action, resource, now }: ReachQuestion & { now: number },
): string[] | null {
  const exchange = decideExchange(snapshot, {
    ...{ issuer, claims, audiences, sourceIp, now },
    ...{ roles: null, policies: null },
  });
  if (exchange.effect === 'Deny') return null;
  const { effect, determining } = evaluatePermission(snapshot, {
    policies: exchange.policies,
    roles: exchange.roles,
    claims,
    audiences: exchange.obligations.audience,
    subject: { type: 'access_token', id: `${issuer}:${String(claims['sub'])}`, properties: {} },
    action: { name: action, properties: {} },
    resource,
    resourceProperties: {},
    context: {},
    sourceIp,
    now,
  });
  if (effect === 'Deny') return null;
  const policies = new Set(determining.map(({ policy }) => policy));
  return exchange.roles.filter((name) => snapshot.roles.get(name)?.policies.some((policy) => policies.has(policy)));
}
