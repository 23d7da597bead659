import { compileCondition, jsonPointer, type Check } from '../conditions';
import type { JwtIssuerDocument, Platform, RoleDocument, RoleSpec } from '../documents';
import { commonCondition } from '../shorthand/expand-repository';
import { viewIssuer, type Hosting, type IssuerView } from './issuer-view';

/** One operator on one key of a role, principal included. */
export interface RoleCheck extends Check {
  /** The one spelling of the claim: a name, or a JSON Pointer when it is nested; null when the key is no `jwt:` key. */
  claim: string | null;
  /** A token without the claim, or with another value, does not pass. */
  binding: boolean;
}

/** A role as the rules see it. */
export interface RoleView {
  document: RoleDocument;
  spec: RoleSpec;
  checks: readonly RoleCheck[];
  issuers: readonly IssuerView[];
}

/** Reads a role; the condition's broken parts are left out. */
export function viewRole(document: RoleDocument, issuers: ReadonlyMap<string, JwtIssuerDocument>): RoleView {
  const { spec } = document;
  const checks = [...principalChecks(spec), ...conditionChecks(spec)];
  const pinned = spec.condition['StringEqual']?.['jwt:iss'] ?? [];
  return {
    document,
    spec,
    checks,
    issuers: pinned.map((iss, index) => viewIssuer(iss, issuers.get(iss) ?? null, index)),
  };
}

export const issuersPath = '/spec/condition/StringEqual/jwt:iss';

function principalChecks(spec: RoleSpec): RoleCheck[] {
  const { principal } = spec;
  if (spec.repositories) {
    // What keeps proposed code out is ours to get right, not the author's.
    const { StringEqual = {} } = commonCondition(spec);
    const { checks } = compileCondition({ StringEqual }, '', { templates: false });
    return checks.map((check) => toRoleCheck({ ...check, path: '/spec/principal' }));
  }
  if (principal === null) return [];
  const { checks } = compileCondition({ StringEqual: { 'jwt:sub': principal } }, '', { templates: false });
  return checks.map((check) => toRoleCheck({ ...check, path: '/spec/principal/jwt:sub' }));
}

const conditionChecks = ({ condition }: RoleSpec): RoleCheck[] =>
  compileCondition(condition, '/spec/condition', { templates: false }).checks.map(toRoleCheck);

function toRoleCheck(check: Check): RoleCheck {
  const { negative, ifExists, comparison } = check.operator;
  return { ...check, claim: claimOf(check), binding: !negative && !ifExists && comparison !== 'null' };
}

/** `jwt:/a` and `jwt:a` are the same claim. */
export function claimOf({ attribute: { source, path } }: Check): string | null {
  if (source !== 'jwt') return null;
  return path.length === 1 ? (path[0] ?? '') : jsonPointer(path);
}

/** Checks that a token of somebody else cannot pass, of these claims. */
export const bindingChecks = ({ checks }: RoleView, claims: readonly string[]): RoleCheck[] =>
  checks.filter(({ claim, binding }) => binding && claim !== null && claims.includes(claim));

export const isPattern = ({ operator }: Check): boolean => operator.comparison === 'like';
export const isText = ({ operator }: Check): boolean =>
  ['equal', 'equal-ignore-case', 'like'].includes(operator.comparison);

const rank: Record<Hosting, number> = { shared: 0, organisation: 1, own: 2 };

/** The issuers of a platform that a role pins, the most open one first. */
export const issuersOf = ({ issuers }: RoleView, platform: Platform): IssuerView[] =>
  issuers
    .filter((issuer) => issuer.platform === platform)
    .sort((one, other) => rank[one.hosting] - rank[other.hosting]);

/** The most open issuer of each platform that a role pins. */
export function platformsOf(role: RoleView): IssuerView[] {
  const platforms = [...new Set(role.issuers.map(({ platform }) => platform))];
  return platforms.flatMap((platform) => issuersOf(role, platform)[0] ?? []);
}

/** Whether the principal is a list of repositories, each with its owner and, once known, its ids. */
export const namesRepositories = ({ spec }: RoleView): boolean => (spec.repositories ?? []).length > 0;
