import {
  commonCondition,
  jsonPointer,
  parseKey,
  parseOperator,
  type Condition,
  type JwtIssuerDocument,
  type RoleSpec,
} from '@countersign/policy-engine';
import type { FieldError } from './problems';

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
  return rest.length === 0 ? only : jsonPointer(path);
}

/** Checks of a role that a token without the claim, or with another value, cannot pass. */
function bindingChecks(role: RoleSpec): ClaimCheck[] {
  const { principal, condition } = role;
  const checks = [...repositoryChecks(role), ...conditionChecks(condition)];
  if (principal === null) return checks;
  return [{ path: '/spec/principal/jwt:sub', claim: 'sub', comparison: 'equal', values: principal }, ...checks];
}

/** Claims that every repository of a principal constrains, with the values over all of them. */
const repositoryChecks = (role: RoleSpec): ClaimCheck[] =>
  Object.entries(commonCondition(role)['StringEqual'] ?? {}).map(([key, values]) => ({
    path: '/spec/principal',
    claim: claimOf(key),
    comparison: 'equal',
    values,
  }));

function conditionChecks(condition: Condition): ClaimCheck[] {
  return Object.entries(condition).flatMap(([name, keys]) => {
    const operator = parseOperator(name);
    if (!operator || operator.negative || operator.ifExists || operator.comparison === 'null') return [];
    return Object.entries(keys)
      .filter(([key]) => key.startsWith('jwt:'))
      .map(([key, values]) => ({
        path: jsonPointer(['spec', 'condition', name, key]),
        claim: claimOf(key),
        comparison: operator.comparison,
        values,
      }));
  });
}

const pinnedIssuers = ({ condition }: RoleSpec): readonly string[] => condition['StringEqual']?.['jwt:iss'] ?? [];

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
