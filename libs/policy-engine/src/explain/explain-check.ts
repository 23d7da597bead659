import { resolveKey, unresolvable, type Attributes } from '../attributes';
import { evaluateCheck, holds, type Check } from '../conditions';
import type { ExplainedCheck } from './explanation';

/** One check of a condition, evaluated as the decision does it. */
export function explainCheck(check: Check, attributes: Attributes, effect: 'Allow' | 'Deny'): ExplainedCheck {
  const { path, operator, key, values } = check;
  const value = resolveKey(check.attribute, attributes);
  // What stands elsewhere (group overage) is not here.
  const present = value !== undefined && value !== unresolvable;
  return {
    path,
    operator: operator.name,
    key,
    expected: [...values],
    actual: present ? value : null,
    present,
    matched: holds(check, evaluateCheck(check, attributes), effect),
  };
}
