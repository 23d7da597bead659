import { isWithin } from './addresses';
import type { Attributes } from './attributes';
import type { CompiledRole } from './compile-role';
import type { Snapshot } from './compile-snapshot';
import { evaluateCheck, holds, type Check } from './conditions';
import type { EngineError } from './decisions';
import type { RepositoryPin } from './shorthand/repository-pins';

/** Everything that must hold for a role: of several repositories, the checks of the one that comes nearest. */
export const checksOf = (role: CompiledRole, attributes: Attributes): readonly Check[] =>
  role.repositories ? [...role.checks, ...role.repositories.checksFor(attributes)] : role.checks;

const allHold = (checks: readonly Check[], attributes: Attributes): boolean =>
  checks.every((check) => holds(check, evaluateCheck(check, attributes), 'Allow'));

/** Whether principal and condition of a role hold. */
export const roleMatches = (role: CompiledRole, attributes: Attributes): boolean =>
  allHold(role.checks, attributes) && (role.repositories === null || role.repositories.match(attributes));

/** The pin that alone keeps a role from matching. */
export const contradictedPin = (role: CompiledRole, attributes: Attributes): RepositoryPin | null =>
  allHold(role.checks, attributes) ? (role.repositories?.contradictedPin(attributes) ?? null) : null;

/** Whether a role may be used from an address; an unknown address is outside every range. */
export const addressAllowed = (role: CompiledRole, sourceIp: string | null): boolean =>
  role.trustedIps.length === 0 || (sourceIp !== null && isWithin(sourceIp, role.trustedIps) === true);

/** Roles that a token was granted under, as far as they limit where and how often it is used: disabled ones, too. */
export const limitingRoles = ({ roles, disabledRoles }: Snapshot, names: readonly string[]): CompiledRole[] =>
  names.flatMap((name) => roles.get(name) ?? disabledRoles.get(name) ?? []);

/** Whether tokens under a role may carry all these audiences together. */
export const audiencesAllowed = (role: CompiledRole, audiences: readonly string[]): boolean =>
  audiences.every((audience) => role.audience.includes(audience)) && (audiences.length <= 1 || role.multipleAudiences);

/** Names, each once, sorted. */
export const sortedNames = (names: readonly string[]): string[] => [...new Set(names)].sort();

/** What is wrong with the stored form of these policies. */
export const policyErrors = (snapshot: Snapshot, names: readonly string[]): EngineError[] =>
  snapshot.errors.filter((error) => error.kind === 'Policy' && names.includes(error.name));
