import { escapePointer } from '../conditions';
import type { Condition } from '../documents';
import { isExactRange } from '../addresses';
import { parseOperator, type Comparison, type Operator } from '../operators';
import { compileValues } from '../value-tests';
import { bounds, type Bound } from './bounds';
import type { DocumentEdit, ExplainedCheck } from './explanation';
import { textDistance } from './nearest-first';

/**
 * Edits of a condition's values after which a check may hold, the smallest first. Only values that the request
 * has are ever added, never a pattern, and only exact values are ever taken away: an exclusion by pattern stands
 * for more than this request.
 */
export function valueEdits(check: ExplainedCheck, condition: Condition): DocumentEdit[] {
  const operator = parseOperator(check.operator);
  if (operator === null || !check.present) return [];
  const elements = Array.isArray(check.actual) ? (check.actual as unknown[]) : [check.actual];
  if (operator.negative) return withoutValues(check, operator, { elements, condition });
  const bound = bounds[operator.comparison];
  if (bound !== undefined) return withBound(check, operator, { elements, bound });
  return withValues(check, operator, elements);
}

/** How the value of a claim is written in a document; null where it cannot be, or would stand for more. */
const writers: Partial<Record<Comparison, (value: unknown) => string | null>> = {
  equal: (value) => textOr(value, () => true),
  'equal-ignore-case': (value) => textOr(value, () => true),
  like: (value) => textOr(value, (text) => !/[*?]/.test(text)),
  'numeric-equal': (value) => (typeof value === 'number' ? String(value) : null),
  bool: (value) => (typeof value === 'boolean' ? String(value) : null),
  address: (value) => (typeof value === 'string' ? addressBlock(value) : null),
};

const textOr = (value: unknown, fits: (text: string) => boolean): string | null =>
  typeof value === 'string' && value !== '' && fits(value) ? value : null;

/** The block of this one address. */
export const addressBlock = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;

const matches = ({ comparison }: Operator, values: readonly string[], element: unknown): boolean =>
  compileValues(comparison, values, false).test(element, () => null) === true;

function withValues(check: ExplainedCheck, operator: Operator, elements: readonly unknown[]): DocumentEdit[] {
  const write = writers[operator.comparison];
  if (write === undefined) return [];
  const missing = elements.filter((element) => !matches(operator, check.expected, element)).map(write);
  const written = missing.filter((text) => text !== null);
  if (operator.quantifier !== 'all') return byDistance(written, check.expected).map((value) => append(check, value));
  if (written.length < missing.length) return [];
  const [only, ...more] = new Set(written);
  if (only !== undefined && more.length === 0) return [append(check, only)];
  return [{ op: 'replace', path: check.path, value: [...check.expected, ...new Set(written)] }];
}

const append = ({ path }: ExplainedCheck, value: string): DocumentEdit => ({ op: 'add', path: `${path}/-`, value });

function byDistance(texts: readonly string[], expected: readonly string[]): string[] {
  const distance = (text: string): number => Math.min(...expected.map((other) => textDistance(text, other)));
  return [...texts].sort((one, other) => distance(one) - distance(other));
}

/** The widest of the bounds decides, since values are alternatives: it is moved just far enough. */
function withBound(
  { path, expected }: ExplainedCheck,
  { quantifier }: Operator,
  { elements, bound }: { elements: readonly unknown[]; bound: Bound },
): DocumentEdit[] {
  const limits = expected.map((text) => bound.read(text));
  const values = elements.map((element) => bound.read(element)).filter((value) => value !== null);
  if (values.length === 0 || limits.includes(null)) return [];
  const upwards = bound.direction === 'up';
  const index = limits.indexOf((upwards ? Math.max : Math.min)(...(limits as number[])));
  const reach = (upwards === (quantifier === 'all') ? Math.max : Math.min)(...values);
  return [{ op: 'replace', path: `${path}/${index}`, value: bound.beyond(reach, expected[index] ?? '') }];
}

function withoutValues(
  check: ExplainedCheck,
  operator: Operator,
  { elements, condition }: { elements: readonly unknown[]; condition: Condition },
): DocumentEdit[] {
  const { expected, path } = check;
  const offending = (element: unknown): number[] =>
    expected.flatMap((value, index) => (matches(operator, [value], element) ? [index] : []));
  const perElement = elements.map(offending).sort((one, other) => one.length - other.length);
  // With ForAnyValue one acceptable element is enough.
  const removed = new Set(operator.quantifier === 'any' ? perElement[0] : perElement.flat());
  const [only, ...more] = removed;
  if (only === undefined || ![...removed].every((index) => isExact(operator.comparison, expected[index] ?? ''))) {
    return [];
  }
  const left = expected.filter((_, index) => !removed.has(index));
  if (left.length === 0) return [{ op: 'remove', path: withoutCheck(check, condition) }];
  return [more.length === 0 ? { op: 'remove', path: `${path}/${only}` } : { op: 'replace', path, value: left }];
}

function isExact(comparison: Comparison, value: string): boolean {
  if (comparison === 'like') return !/[*?]/.test(value);
  return comparison === 'address' ? isExactRange(value) : true;
}

/** A list must not be empty, nor an operator without keys. */
function withoutCheck({ path, operator, key }: ExplainedCheck, condition: Condition): string {
  const isOnlyKey = Object.keys(condition[operator] ?? {}).length === 1;
  return isOnlyKey ? path.slice(0, -escapePointer(key).length - 1) : path;
}
