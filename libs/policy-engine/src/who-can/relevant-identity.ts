import type { Snapshot } from '../compile-snapshot';
import type { Check } from '../conditions';
import { repositoryClaims } from '../shorthand/repository-platforms';
import type { SeenIdentity } from './identity-reach';

/** What decisions read of claims whatever the documents say: identity, guards, group overage, mail, repositories. */
const ALWAYS = [
  'iss',
  'sub',
  'event_name',
  'oidc.circleci.com/ssh-rerun',
  'groups',
  '_claim_names',
  'hasgroups',
  'email_verified',
  'environment',
  ...Object.values(repositoryClaims).flatMap(({ path, owner, repositoryId, ownerId, ref, event }) => [
    ...[path, owner, repositoryId, ownerId, ref, event],
  ]),
];

/**
 * Reduces an identity to what a decision of this revision can read of it: two exchanges with the same relevant
 * identity are decided alike, although the `jti` and the times of their tokens differ. Members in one order, so that
 * equal ones have equal JSON.
 */
export function relevantIdentity(snapshot: Snapshot): (identity: SeenIdentity) => SeenIdentity {
  const names = new Set(ALWAYS);
  let readsAddress = false;
  const read = ({ attribute: { source, path } }: Check): void => {
    if (source === 'jwt') names.add(path[0] ?? '');
    if (source === 'ctx' && path[0] === 'sourceIp') readsAddress = true;
  };
  for (const { checks, trustedIps } of snapshot.roles.values()) {
    checks.forEach(read);
    if (trustedIps.length > 0) readsAddress = true;
  }
  for (const { claims, statements } of snapshot.policies.values()) {
    claims.forEach((name) => names.add(name));
    for (const { checks } of statements) checks.forEach(read);
  }
  const sorted = [...names].sort();
  return ({ issuer, claims, audiences, sourceIp }) => ({
    issuer,
    claims: Object.fromEntries(
      sorted.filter((name) => Object.hasOwn(claims, name)).map((name) => [name, claims[name]]),
    ),
    audiences,
    sourceIp: readsAddress ? sourceIp : null,
  });
}
