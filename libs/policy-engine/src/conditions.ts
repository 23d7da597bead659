import { parseKey, resolveKey, unresolvable, type AttributeKey, type Attributes } from './attributes';
import { operatorNames, parseOperator, type Operator } from './operators';
import { isPlainText } from './text-tests';
import { allTrue, anyTrue, type TemplateValues, type ValueTest } from './value-kind';
import { compileValues } from './value-tests';

/** One operator on one key with its values. */
export interface Check {
  /** JSON Pointer of the key in the document. */
  path: string;
  operator: Operator;
  key: string;
  attribute: AttributeKey;
  values: readonly string[];
  test: ValueTest;
}

export interface ConditionProblem {
  /** JSON Pointer into the document. */
  path: string;
  code: string;
  message: string;
}

export interface CompiledCondition {
  checks: Check[];
  problems: ConditionProblem[];
}

/** `missing` and `unresolvable` are neither true nor false; what they amount to depends on the effect. */
export type Outcome = 'satisfied' | 'not_satisfied' | 'missing' | 'unresolvable';

/** Escapes one reference token of a JSON Pointer (RFC 6901). */
export const escapePointer = (token: string): string => token.replaceAll('~', '~0').replaceAll('/', '~1');

/** The JSON Pointer (RFC 6901) of what is reached by these keys; '' without any. */
export const jsonPointer = (path: readonly PropertyKey[]): string =>
  path.map((token) => `/${escapePointer(String(token))}`).join('');

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Compiles a condition whose values are lists of strings; says everything that is wrong with it. */
export function compileCondition(condition: unknown, path: string, options: { templates: boolean }): CompiledCondition {
  const compiled: CompiledCondition = { checks: [], problems: [] };
  if (!isObject(condition)) report(compiled, path, 'invalid_type', 'must be an object of operators');
  else
    for (const [written, keys] of Object.entries(condition)) {
      compileOperator(compiled, { written, keys, path: `${path}/${escapePointer(written)}` }, options.templates);
    }
  return compiled;
}

interface RawOperator {
  written: string;
  keys: unknown;
  path: string;
}

function compileOperator(compiled: CompiledCondition, { written, keys, path }: RawOperator, templates: boolean): void {
  const operator = parseOperator(written);
  if (!operator) return report(compiled, path, 'unknown_operator', unknownOperator(written));
  if (!isObject(keys)) return report(compiled, path, 'invalid_type', 'must be an object of keys');
  const entries = Object.entries(keys);
  if (entries.length === 0) return report(compiled, path, 'empty_object', 'must name at least one key');
  for (const [key, values] of entries) {
    compileCheck(compiled, { operator, key, values, path: `${path}/${escapePointer(key)}` }, templates);
  }
}

const unknownOperator = (written: string): string =>
  `unknown operator "${written.slice(0, 64)}"; the operators are ${operatorNames.join(', ')}, ` +
  'each but Null also with the prefix ForAnyValue: or ForAllValues: and the suffix IfExists';

/** One list for all: parts of parts would be put together again and again. */
const report = ({ problems }: CompiledCondition, path: string, code: string, message: string): void =>
  void problems.push({ path, code, message });

interface RawCheck {
  operator: Operator;
  key: string;
  values: unknown;
  path: string;
}

function compileCheck(
  compiled: CompiledCondition,
  { operator, key, values, path }: RawCheck,
  templates: boolean,
): void {
  const attribute = parseKey(key);
  if (!attribute) return report(compiled, path, 'unknown_key', unknownKey);
  if (!isTextList(values)) return report(compiled, path, 'invalid_type', 'must be a list of strings');
  if (values.length === 0) return report(compiled, path, 'empty_list', 'must name at least one value');
  const { test, problems } = compileValues(operator.comparison, values, templates);
  compiled.checks.push({ path, operator, key, attribute, values: [...values], test });
  for (const { index, code, message } of problems) report(compiled, `${path}/${index}`, code, message);
}

const unknownKey =
  'must be jwt:<claim>, ctx:sourceIp, ctx:time, ctx:audience, or a subject:, resource:, action: or context: property';

const isTextList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

/** Evaluates one check. The outcome does not depend on whose condition it is. */
export function evaluateCheck(check: Check, attributes: Attributes): Outcome {
  const { operator } = check;
  const value = resolveKey(check.attribute, attributes);
  if (value === unresolvable) return 'unresolvable';
  if (operator.comparison === 'null') return check.test(value, noTemplates) ? 'satisfied' : 'not_satisfied';
  if (value === undefined) return operator.ifExists ? 'satisfied' : 'missing';
  if (!isTrustedMail(check, value, attributes)) return 'unresolvable';
  const result = quantify(check, value, templateValues(attributes));
  if (result === 'empty') return 'missing';
  if (result === null) return 'unresolvable';
  return result ? 'satisfied' : 'not_satisfied';
}

const noTemplates: TemplateValues = () => null;

/** An empty array says as little as a missing one, so that "all of none" is not "all". */
function quantify(check: Check, value: unknown, valueOf: TemplateValues): boolean | null | 'empty' {
  const { quantifier } = check.operator;
  if (quantifier === null) return testOne(check, value, valueOf);
  const elements: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (elements.length === 0) return 'empty';
  const results = elements.map((element) => testOne(check, element, valueOf));
  return quantifier === 'any' ? anyTrue(results) : allTrue(results);
}

function testOne(check: Check, value: unknown, valueOf: TemplateValues): boolean | null {
  const result = check.test(value, valueOf);
  return result === null ? null : result !== check.operator.negative;
}

/** Whether a check holds. A Deny that cannot be resolved applies; anything else that cannot be does not. */
export function holds(check: Check, outcome: Outcome, effect: 'Allow' | 'Deny'): boolean {
  if (outcome === 'satisfied') return true;
  if (effect === 'Allow') return false;
  return outcome === 'unresolvable' || (outcome === 'missing' && check.operator.negative);
}

/** What `${jwt:claim}` stands for: the text of a claim that has some. */
export function templateValues(attributes: Attributes): TemplateValues {
  return (claim) => {
    const attribute = parseKey(`jwt:${claim}`);
    const value = attribute && resolveKey(attribute, attributes);
    return isPlainText(value) && value !== '' ? value : null;
  };
}

const textComparisons = ['equal', 'equal-ignore-case', 'like'];

const isMailCheck = ({ attribute: { source, path }, operator }: Check): boolean =>
  source === 'jwt' && textComparisons.includes(operator.comparison) && /(^|_)email$/.test(path.at(-1) ?? '');

/** An address that its owner did not prove, or that mail software may read in two ways, identifies nobody. */
function isTrustedMail(check: Check, value: unknown, attributes: Attributes): boolean {
  if (!isMailCheck(check)) return true;
  if (typeof value !== 'string' || value.split('@').length !== 2) return false;
  const isStandardClaim = check.attribute.path.join('/') === 'email';
  return !isStandardClaim || attributes.claims?.['email_verified'] === true;
}
