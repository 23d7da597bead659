import type { Check } from '../conditions';
import type { Condition } from '../documents';

/** The condition that checks were compiled from: operator, as it was written, then key, then values. */
export function writtenCondition(checks: readonly Check[]): Condition {
  const condition: Condition = {};
  for (const { path, operator, key, values } of checks) {
    const spelling = path.split('/').at(-2) ?? operator.name;
    (condition[spelling] ??= {})[key] = [...values];
  }
  return condition;
}
