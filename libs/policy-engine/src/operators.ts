/** How one value is tested; negative operators are the same test turned round. */
export type Comparison =
  | 'equal'
  | 'equal-ignore-case'
  | 'like'
  | 'numeric-equal'
  | 'numeric-less'
  | 'numeric-less-equal'
  | 'numeric-greater'
  | 'numeric-greater-equal'
  | 'bool'
  | 'address'
  | 'date-less'
  | 'date-greater'
  | 'null';

export interface Operator {
  /** Canonical spelling, with qualifier and suffix. */
  name: string;
  comparison: Comparison;
  negative: boolean;
  quantifier: 'any' | 'all' | null;
  ifExists: boolean;
}

const comparisons: Record<string, { comparison: Comparison; negative: boolean }> = {
  StringEqual: { comparison: 'equal', negative: false },
  StringNotEqual: { comparison: 'equal', negative: true },
  StringEqualIgnoreCase: { comparison: 'equal-ignore-case', negative: false },
  StringLike: { comparison: 'like', negative: false },
  StringNotLike: { comparison: 'like', negative: true },
  NumericEqual: { comparison: 'numeric-equal', negative: false },
  NumericNotEqual: { comparison: 'numeric-equal', negative: true },
  NumericLessThan: { comparison: 'numeric-less', negative: false },
  NumericLessThanEqual: { comparison: 'numeric-less-equal', negative: false },
  NumericGreaterThan: { comparison: 'numeric-greater', negative: false },
  NumericGreaterThanEqual: { comparison: 'numeric-greater-equal', negative: false },
  Bool: { comparison: 'bool', negative: false },
  IpAddress: { comparison: 'address', negative: false },
  NotIpAddress: { comparison: 'address', negative: true },
  DateLessThan: { comparison: 'date-less', negative: false },
  DateGreaterThan: { comparison: 'date-greater', negative: false },
  Null: { comparison: 'null', negative: false },
};

/** AWS spellings. */
const synonyms: Record<string, string> = {
  StringEquals: 'StringEqual',
  StringNotEquals: 'StringNotEqual',
  StringEqualsIgnoreCase: 'StringEqualIgnoreCase',
  NumericEquals: 'NumericEqual',
  NumericNotEquals: 'NumericNotEqual',
  NumericLessThanEquals: 'NumericLessThanEqual',
  NumericGreaterThanEquals: 'NumericGreaterThanEqual',
};

const quantifiers = [
  { prefix: 'ForAnyValue:', quantifier: 'any' },
  { prefix: 'ForAllValues:', quantifier: 'all' },
] as const;
const existsSuffix = 'IfExists';

/** The operators without prefix or suffix, as error messages list them. */
export const operatorNames: readonly string[] = Object.keys(comparisons);

/** Everything that `parseOperator` reads. */
export const operatorSpellings: readonly string[] = [...operatorNames, ...Object.keys(synonyms)].flatMap((name) =>
  name === 'Null'
    ? [name]
    : ['', ...quantifiers.map(({ prefix }) => prefix)].flatMap((prefix) => [
        `${prefix}${name}`,
        `${prefix}${name}${existsSuffix}`,
      ]),
);

function readOperator(written: string): Operator | null {
  const qualified = quantifiers.find(({ prefix }) => written.startsWith(prefix));
  const { prefix, quantifier } = qualified ?? { prefix: '', quantifier: null };
  const ifExists = written.endsWith(existsSuffix);
  const bare = written.slice(prefix.length, ifExists ? -existsSuffix.length : undefined);
  const base = own(synonyms, bare) ?? bare;
  const found = own(comparisons, base);
  // Null is itself the question whether the key exists, of the whole value.
  if (!found || (found.comparison === 'null' && base !== written)) return null;
  return { name: `${prefix}${base}${ifExists ? existsSuffix : ''}`, ...found, quantifier, ifExists };
}

const operators = new Map(operatorSpellings.map((spelling) => [spelling, readOperator(spelling)]));

/** Reads an operator as written in a document; null when there is no such operator (case counts). */
export const parseOperator = (written: string): Operator | null => operators.get(written) ?? null;

function own<T>(record: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
