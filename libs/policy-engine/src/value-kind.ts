/** Gives the text of a claim that a template names; null when it has none. */
export type TemplateValues = (claim: string) => string | null;

/** Tests one value; null when it is of another type than the test is for, or a template cannot be filled in. */
export type ValueTest = (value: unknown, valueOf: TemplateValues) => boolean | null;

export interface ValueProblem {
  code: string;
  message: string;
}

export type Parsed<T> = { ok: true; value: T } | { ok: false; problem: ValueProblem };

/** How the values of an operator are read, once, and what is tested against them. */
export interface ValueKind<T> {
  parse: (text: string) => Parsed<T>;
  test: (values: readonly T[]) => ValueTest;
}

export interface CompiledValues {
  test: ValueTest;
  problems: ({ index: number } & ValueProblem)[];
}

export const accept = <T>(value: T): Parsed<T> => ({ ok: true, value });

export const refuse = (code: string, message: string): Parsed<never> => ({ ok: false, problem: { code, message } });

export function compileKind<T>(kind: ValueKind<T>, values: readonly string[]): CompiledValues {
  const problems: CompiledValues['problems'] = [];
  const parsed: T[] = [];
  values.forEach((text, index) => {
    const result = kind.parse(text);
    if (result.ok) parsed.push(result.value);
    else problems.push({ index, ...result.problem });
  });
  return { test: kind.test(parsed), problems };
}

/** true if one is, else null if one is, else false. */
export function anyTrue(results: readonly (boolean | null)[]): boolean | null {
  if (results.includes(true)) return true;
  return results.includes(null) ? null : false;
}

/** false if one is, else null if one is, else true. */
export function allTrue(results: readonly (boolean | null)[]): boolean | null {
  if (results.includes(false)) return false;
  return results.includes(null) ? null : true;
}
