import {
  escapePointer,
  expandRepository,
  parseKey,
  parseOperator,
  type Condition,
  type JwtIssuerDocument,
  type RoleSpec,
} from '@countersign/policy-engine';
import type { FieldError } from './documents';

/** Issuers that sign for everybody who has an account there. */
const sharedIssuers: readonly RegExp[] = [
  /^https:\/\/token\.actions\.githubusercontent\.com$/,
  /^https:\/\/gitlab\.com$/,
  /^https:\/\/oidc\.circleci\.com\//,
  /^https:\/\/agent\.buildkite\.com$/,
  /^https:\/\/app(\.eu)?\.terraform\.io$/,
  /^(https:\/\/)?accounts\.google\.com$/,
];

/** Claims that say whose job it is. `job_workflow_ref` does not: anybody may call a public reusable workflow. */
const tenantClaims = new Set([
  'sub',
  ...['repository', 'repository_id', 'repository_owner', 'repository_owner_id', 'workflow_ref'],
  ...['enterprise', 'enterprise_id'],
  ...['project_path', 'project_id', 'namespace_path', 'namespace_id', 'ci_config_ref_uri'],
  'oidc.circleci.com/project-id',
  ...['organization_slug', 'organization_id', 'pipeline_id'],
  ...['terraform_organization_id', 'terraform_organization_name', 'terraform_full_workspace'],
  ...['terraform_project_id', 'terraform_workspace_id'],
  ...['email', 'hd', 'azp'],
]);

interface ClaimCheck {
  path: string;
  /** One spelling, whether the key was written as a name or as a JSON Pointer. */
  claim: string;
  comparison: string;
  values: readonly string[];
}

/** The one spelling of a claim: `jwt:/a` and `jwt:a` are the same; what is nested is a JSON Pointer. */
function claimOf(key: string): string {
  const path = parseKey(key)?.path ?? [];
  const [only = '', ...rest] = path;
  return rest.length === 0 ? only : path.map((token) => `/${escapePointer(token)}`).join('');
}

/** Checks of a role that a token without the claim, or with another value, cannot pass. */
function bindingChecks(role: RoleSpec): ClaimCheck[] {
  const { principal, condition } = role;
  const checks = [...repositoryChecks(role), ...conditionChecks(condition)];
  if (principal === null) return checks;
  return [{ path: '/spec/principal/jwt:sub', claim: 'sub', comparison: 'equal', values: principal }, ...checks];
}

/** Claims that every repository of a principal constrains, with the values over all of them. */
function repositoryChecks({ repositories = [], condition }: RoleSpec): ClaimCheck[] {
  const expanded = repositories.map((one) => expandRepository(one, condition)['StringEqual'] ?? {});
  return Object.keys(expanded[0] ?? {})
    .filter((key) => expanded.every((one) => Object.hasOwn(one, key)))
    .map((key) => {
      const values = expanded.flatMap((one) => one[key] ?? []);
      return { path: '/spec/principal', claim: claimOf(key), comparison: 'equal', values };
    });
}

function conditionChecks(condition: Condition): ClaimCheck[] {
  return Object.entries(condition).flatMap(([name, keys]) => {
    const operator = parseOperator(name);
    if (!operator || operator.negative || operator.ifExists || operator.comparison === 'null') return [];
    return Object.entries(keys)
      .filter(([key]) => key.startsWith('jwt:'))
      .map(([key, values]) => ({
        path: `/spec/condition/${escapePointer(name)}/${escapePointer(key)}`,
        claim: claimOf(key),
        comparison: operator.comparison,
        values,
      }));
  });
}

/** What makes a role on a shared issuer admit strangers: patterns that leave the tenant open. */
export function sharedIssuerErrors(role: RoleSpec): FieldError[] {
  if (!pinnedIssuers(role).some((iss) => sharedIssuers.some((shared) => shared.test(iss)))) return [];
  const checks = bindingChecks(role);
  const tenant = checks.filter(({ claim }) => tenantClaims.has(claim));
  if (tenant.some((check) => check.values.every((value) => bindsTenant(check, value)))) return [];
  const workflow = checks.find(({ claim }) => claim === 'job_workflow_ref');
  if (workflow && tenant.length === 0) return [{ path: workflow.path, ...reusableWorkflow }];
  const broad = tenant.find(({ comparison }) => comparison === 'like');
  const index = broad?.values.findIndex((value) => !bindsTenant(broad, value)) ?? -1;
  return broad && index >= 0 ? [{ path: `${broad.path}/${index}`, ...tooBroad }] : [];
}

const pinnedIssuers = ({ condition }: RoleSpec): readonly string[] => condition['StringEqual']?.['jwt:iss'] ?? [];

const tooBroad = {
  code: 'pattern_too_broad',
  message: 'matches jobs of anybody at this issuer; write out the owner before the first wildcard',
};
const reusableWorkflow = {
  code: 'reusable_workflow_alone',
  message: 'anybody may call this workflow; also name jwt:repository_owner_id or jwt:repository_id',
};

/** A pattern binds the tenant when the text before its first wildcard goes beyond the fixed head of the claim. */
function bindsTenant({ claim, comparison }: ClaimCheck, value: string): boolean {
  if (comparison !== 'like') return comparison.startsWith('equal');
  const head = value.slice(0, value.search(/[*?]|$/));
  return claim === 'sub' ? /[:/][^:/]/.test(head) : head !== '';
}

/**
 * Claims that the issuer's document wants every role to constrain: to listed values, or to patterns whose beginning is
 * written out. A range of numbers or dates, both booleans, or a pattern that begins with a wildcard leave the tenant
 * open; a negative operator and `IfExists` say nothing of a token that is somebody else's.
 */
export function pinErrors(role: RoleSpec, issuers: readonly JwtIssuerDocument[]): FieldError[] {
  const pinned = pinnedIssuers(role);
  const constrained = new Set(
    bindingChecks(role)
      .filter(constrains)
      .map(({ claim }) => claim),
  );
  const wanted = issuers.filter(({ spec }) => pinned.includes(spec.iss)).flatMap(({ spec }) => spec.pins);
  return [...new Set(wanted)]
    .filter((pin) => !constrained.has(claimOf(`jwt:${pin}`)))
    .map((pin) => ({
      path: '/spec/condition',
      code: 'pin_missing',
      message: `the issuer's pins ask every Role to list values of jwt:${pin}, or patterns that begin with plain text`,
    }));
}

function constrains(check: ClaimCheck): boolean {
  const { comparison, values } = check;
  if (comparison === 'bool') return new Set(values).size === 1;
  if (comparison === 'like') return values.every((value) => bindsTenant(check, value));
  return ['equal', 'equal-ignore-case', 'numeric-equal'].includes(comparison);
}
