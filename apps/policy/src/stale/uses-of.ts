import type { AccessDecision } from '../access/decide-access';
import type { ExchangeAttempt } from '../recorded/exchange-attempt';
import type { Use } from './use-rows';

interface Parts {
  roles: readonly string[];
  statements: readonly { policy: string; sid: string | null }[];
}

const usesOfParts = ({ roles, statements }: Parts, usedAt: Date): Use[] => [
  ...roles.map((name): Use => ({ kind: 'role', name, sid: '', usedAt })),
  ...statements.map(({ policy, sid }): Use => ({ kind: 'statement', name: policy, sid: sid ?? '', usedAt })),
];

/** What had a part in an exchange: all of what was granted, and shadow roles that would have had one in any case. */
export function usesOfExchange({ time: usedAt, data }: ExchangeAttempt): Use[] {
  const { outcome, issuer, decision } = data;
  if (decision === null) return [];
  const shadow = usesOfParts({ roles: decision.shadowRoles, statements: [] }, usedAt);
  if (outcome !== 'granted') return shadow;
  const issuers: Use[] = issuer === null ? [] : [{ kind: 'issuer', name: issuer, sid: '', usedAt }];
  return [...issuers, ...usesOfParts(decision, usedAt), ...shadow];
}

/** What had a part in a decision: the statements that made it, a Deny too, and the roles of whoever was let. */
export function usesOfDecision({ allowed, roles, shadowRoles, statements }: AccessDecision, usedAt: Date): Use[] {
  const held = allowed ? [...roles, ...shadowRoles] : shadowRoles;
  return usesOfParts({ roles: held, statements }, usedAt);
}
