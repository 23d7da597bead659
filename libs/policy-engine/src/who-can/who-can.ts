import type { CompiledRole } from '../compile-role';
import type { Snapshot } from '../compile-snapshot';
import type { Check } from '../conditions';
import type { StatementReference } from '../decisions';
import type { Condition } from '../documents';
import type { PermissionQuestion } from '../permission-request';
import { writeRepository } from '../shorthand/write-repository';
import { append, CoMatching } from './co-matching';
import { isCertain, reachOf, type StatementReach } from './statement-reach';
import { writtenCondition } from './written-condition';

/** A Deny that takes the permission from some of those whom the role gives it. */
export interface PossibleDenial extends StatementReference {
  /** The role that brings it: the same one, or another that may match together with it. */
  role: string;
  /** null when it applies to whoever has that role. */
  condition: Condition | null;
  /** Claims that its resource names as `${jwt:claim}`. */
  resourceClaims: string[];
}

/** A role through which somebody may do what is asked, by one statement of one of its policies. */
export interface ReachingRole extends StatementReference {
  name: string;
  /** As a document has it: subjects, or repositories (`github:acme/web`). */
  principal: { 'jwt:sub': string[] } | string[] | null;
  condition: Condition;
  /** null when the statement applies to whoever has the role. */
  statementCondition: Condition | null;
  /** Claims that the statement's resource names as `${jwt:claim}`: possible only with the right value. */
  resourceClaims: string[];
  deniedBy: PossibleDenial[];
}

interface Reaching extends StatementReference {
  reach: StatementReach;
}

/**
 * Who can do this at all, from the documents alone: every role in force that gives it by some statement. A role
 * that a Deny of its own always takes it from again is left out; a Deny that depends on something is listed.
 * Sorted by role; within it as the policies say.
 */
export function whoCan(snapshot: Snapshot, question: PermissionQuestion): ReachingRole[] {
  const statements = reachingStatements(snapshot, question);
  const roles = [...snapshot.roles.values()].filter((role) => !role.shadow);
  const denying = roles.filter(({ policies }) =>
    policies.some((name) => (statements.denies.get(name) ?? []).length > 0),
  );
  const coMatching = new CoMatching(denying);
  return roles
    .filter((role) => !statementsOf(role, statements.denies).some(({ reach }) => isCertain(reach)))
    .flatMap((role) => {
      const allows = statementsOf(role, statements.allows);
      if (allows.length === 0) return [];
      const others = [role, ...coMatching.with(role)];
      const deniedBy = others.flatMap((other) => denialsOf(other, statementsOf(other, statements.denies)));
      return allows.map((allow) => describe(role, allow, deniedBy));
    })
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

type ByPolicy = ReadonlyMap<string, readonly Reaching[]>;

/** Each policy is looked at once, however many roles name it. */
function reachingStatements(snapshot: Snapshot, question: PermissionQuestion): { allows: ByPolicy; denies: ByPolicy } {
  const allows = new Map<string, Reaching[]>();
  const denies = new Map<string, Reaching[]>();
  for (const { name, statements } of snapshot.policies.values()) {
    for (const statement of statements) {
      const reach = reachOf(statement, question);
      if (reach === null) continue;
      append(statement.effect === 'Allow' ? allows : denies, name, { policy: name, sid: statement.sid, reach });
    }
  }
  return { allows, denies };
}

const statementsOf = ({ policies }: CompiledRole, found: ByPolicy): Reaching[] =>
  policies.flatMap((name) => found.get(name) ?? []);

const openCondition = ({ open }: StatementReach): Condition | null =>
  open.length === 0 ? null : writtenCondition(open);

const denialsOf = ({ name }: CompiledRole, denies: readonly Reaching[]): PossibleDenial[] =>
  denies.map(({ policy, sid, reach }) => ({
    ...{ role: name, policy, sid },
    condition: openCondition(reach),
    resourceClaims: [...reach.claims],
  }));

function describe(role: CompiledRole, { policy, sid, reach }: Reaching, deniedBy: PossibleDenial[]): ReachingRole {
  return {
    name: role.name,
    ...{ policy, sid },
    principal: principalOf(role),
    condition: writtenCondition(role.checks.filter((check) => !isPrincipal(check))),
    statementCondition: openCondition(reach),
    resourceClaims: [...reach.claims],
    deniedBy,
  };
}

const isPrincipal = ({ path }: Check): boolean => path.startsWith('/spec/principal');

function principalOf({ repositories, checks }: CompiledRole): ReachingRole['principal'] {
  if (repositories) return repositories.named.map(writeRepository);
  const subjects = checks.find(isPrincipal);
  return subjects === undefined ? null : { 'jwt:sub': [...subjects.values] };
}
