import { parseRange, type AddressRange } from './addresses';
import {
  compileCondition,
  escapePointer,
  type Check,
  type CompiledCondition,
  type ConditionProblem,
} from './conditions';
import type { RoleSpec } from './documents';
import { compileRepositories, type CompiledRepositories } from './shorthand/compile-repositories';
import { noPins, type RepositoryPins } from './shorthand/repository-pins';

export interface CompiledRole {
  readonly name: string;
  /** Principal and condition; all must hold. `checksOf` has those that depend on the claims, too. */
  readonly checks: readonly Check[];
  /** null where the principal names none. */
  readonly repositories: CompiledRepositories | null;
  readonly policies: readonly string[];
  readonly audience: readonly string[];
  readonly multipleAudiences: boolean;
  readonly maxTokenExpiry: number | null;
  readonly allowedEvents: readonly string[];
  readonly trustedIps: readonly AddressRange[];
  /** Uses of one token; 0 is unlimited. */
  readonly maxUses: number;
  readonly shadow: boolean;
  /** Values of `jwt:iss` that the condition lists. */
  readonly issuers: readonly string[];
  /** Values of `subject:type` that the condition lists. */
  readonly subjectTypes: readonly string[];
}

export type CompiledRoleResult = { ok: true; role: CompiledRole } | { ok: false; problems: ConditionProblem[] };

/** Compiles a role. Any problem makes the whole role inactive: less is granted, never more. */
export function compileRole(
  name: string,
  spec: RoleSpec,
  publicUrl: string,
  pins: RepositoryPins = noPins,
): CompiledRoleResult {
  const repositories = spec.repositories ? compileRepositories(spec.repositories, spec.condition, pins) : null;
  const { checks, problems } = compileMatch(spec, repositories);
  const trustedIps = spec.trustedIps.map(parseRange);
  const issuers = pinnedValues(checks, 'jwt:iss');
  const subjectTypes = pinnedValues(checks, 'subject:type');
  if (trustedIps.includes(null)) problems.push({ path: '/spec/trustedIps', ...badAddress });
  if (problems.length === 0 && issuers.length + subjectTypes.length === 0) problems.push(notPinned);
  if (problems.length > 0) return { ok: false, problems };
  const role: CompiledRole = {
    name,
    checks,
    repositories,
    policies: [...spec.policy],
    audience: spec.audience.length === 0 ? [publicUrl] : [...spec.audience],
    multipleAudiences: spec.multipleAudiences,
    maxTokenExpiry: spec.maxTokenExpiry,
    allowedEvents: [...spec.allowedEvents],
    trustedIps: trustedIps.filter((range) => range !== null),
    maxUses: spec.maxUses,
    shadow: spec.shadow,
    issuers,
    subjectTypes,
  };
  return { ok: true, role };
}

const badAddress = { code: 'invalid_address', message: 'must be IP addresses or CIDR blocks' };
const notPinned = {
  path: '/spec/condition',
  code: 'issuer_not_pinned',
  message: 'must list the values of jwt:iss (or subject:type) under StringEqual',
};

/** Principal and condition together: the principal is a condition on `jwt:sub`, or on the repository. */
function compileMatch(spec: RoleSpec, repositories: CompiledRepositories | null): CompiledCondition {
  const condition = compileCondition(spec.condition, '/spec/condition', { templates: false });
  if (repositories) {
    const { common } = repositories;
    return {
      checks: [...common.checks, ...condition.checks],
      problems: [...common.problems, ...condition.problems],
    };
  }
  if (spec.principal === null) return condition;
  const principal = compileCondition({ StringEqual: { 'jwt:sub': spec.principal } }, '', { templates: false });
  const path = `/spec/principal/${escapePointer('jwt:sub')}`;
  const moved = <T extends { path: string }>(item: T): T => ({
    ...item,
    path: item.path.replace('/StringEqual/jwt:sub', path),
  });
  return {
    checks: [...principal.checks.map(moved), ...condition.checks],
    problems: [...principal.problems.map(moved), ...condition.problems],
  };
}

/** The values a key must have one of, whatever else the condition says. */
function pinnedValues(checks: readonly Check[], key: string): readonly string[] {
  return checks.find((check) => check.key === key && isPin(check))?.values ?? [];
}

/** A plain StringEqual: it fails when the claim is missing, and its values are literal. */
export const isPin = (check: Check): boolean => check.operator.name === 'StringEqual';
