import { isKeyId } from './compact-form';
import { isForVerification, keyDefect } from './key-rules';
import { KeyRejectionReason } from './refusal-reasons';
import { isObject } from './strict-json';
import { Jwk, RejectedKey } from './types';

/** The members of a verification key; certificates, labels and whatever else issuers publish are dropped. */
const keptMembers = ['kty', 'kid', 'alg', 'use', 'key_ops', 'crv', 'n', 'e', 'x', 'y'] as const;
/** Far above what issuers publish; each key costs an import. */
const maxKeys = 200;

/**
 * Takes the usable verification keys out of a published key set (RFC 7517 section 5) and names what is wrong
 * with the others. Keys for other uses are ignored. Two different keys under one kid are both rejected: which
 * of them verifies would be up to the reader. Never throws; what is no key set has no keys.
 */
export function intakeKeys(jwks: unknown): { keys: Jwk[]; rejected: RejectedKey[] } {
  const members = isObject(jwks) && Array.isArray(jwks['keys']) ? jwks['keys'].slice(0, maxKeys) : [];
  const checked = members
    .filter((member): member is Record<string, unknown> => isObject(member) && isForVerification(member))
    .map((member) => ({ jwk: toJwk(member), kid: kidOf(member), reason: reasonAgainst(member) }));
  const rejected: RejectedKey[] = checked.flatMap(({ kid, reason }) => (reason === null ? [] : [{ kid, reason }]));
  const usable = checked.filter(({ reason }) => reason === null).map(({ jwk }) => jwk);
  const keys: Jwk[] = [];
  for (const same of groupByKid(usable)) {
    if (same.length === 1) keys.push(...same);
    else rejected.push(...same.map((jwk) => ({ kid: jwk.kid ?? null, reason: 'kid_ambiguous' as const })));
  }
  return { keys, rejected };
}

function reasonAgainst(member: Record<string, unknown>): KeyRejectionReason | null {
  if (member['kid'] !== undefined && !isKeyId(member['kid'])) return 'kid';
  return keyDefect(member);
}

function kidOf(member: Record<string, unknown>): string | null {
  return isKeyId(member['kid']) ? member['kid'] : null;
}

function toJwk(member: Record<string, unknown>): Jwk {
  const kept = keptMembers.filter((name) => isPlain(member[name])).map((name) => [name, member[name]]);
  return Object.fromEntries(kept) as Jwk;
}

/** What no rule for the key's type looks at may be anything, megabytes deep: it must not go further. */
const isPlain = (value: unknown): boolean =>
  typeof value === 'string' || (Array.isArray(value) && value.every((item) => typeof item === 'string'));

/** Keys without a kid stand alone; a key that is listed twice counts once. */
function groupByKid(keys: readonly Jwk[]): Jwk[][] {
  const groups = new Map<string, Map<string, Jwk>>();
  const anonymous: Jwk[][] = [];
  for (const jwk of keys) {
    if (jwk.kid === undefined) {
      anonymous.push([jwk]);
      continue;
    }
    const group = groups.get(jwk.kid) ?? new Map<string, Jwk>();
    groups.set(jwk.kid, group.set(JSON.stringify(jwk), jwk));
  }
  return [...[...groups.values()].map((group) => [...group.values()]), ...anonymous];
}
