import type { Attributes } from './attributes';
import type { Snapshot } from './compile-snapshot';
import type { VouchedSubjectDecision, VouchedSubjectRequest } from './decisions';
import { addressAllowed, policyErrors, roleMatches, sortedNames } from './match-roles';

/** Finds the policies of a subject that an enforcement point vouches for (AuthZEN 1.0), through `subject:` keys. */
export function decideVouchedSubject(snapshot: Snapshot, request: VouchedSubjectRequest): VouchedSubjectDecision {
  const { subject, context, sourceIp, now } = request;
  const attributes: Attributes = { ctx: { sourceIp, time: now, audience: [] }, subject, context };
  const candidates = snapshot.rolesBySubjectType.candidates(subject.type, attributes);
  const matched = candidates.filter((role) => roleMatches(role, attributes) && addressAllowed(role, sourceIp));
  const active = matched.filter((role) => !role.shadow);
  const policies = sortedNames(active.flatMap((role) => role.policies));
  return {
    roles: sortedNames(active.map((role) => role.name)),
    shadowRoles: sortedNames(matched.filter((role) => role.shadow).map((role) => role.name)),
    policies,
    revision: snapshot.revision,
    rolesExamined: candidates.length,
    errors: policyErrors(snapshot, policies),
  };
}
