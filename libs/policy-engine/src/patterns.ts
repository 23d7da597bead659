/** Limits of one pattern, in UTF-16 units and stars. */
export const patternLimits = { length: 512, stars: 16 };

const anyRun = -1;
const anyOne = -2;

/** Text in which `${jwt:claim}` stands for a claim's value. */
export type Template = readonly (string | { claim: string })[];

/** UTF-16 units of literal text, and negative numbers for `*` and `?`. */
type Tokens = readonly number[];

interface Program {
  tokens: Tokens;
  /** For the token after each `*`: the literal text from there to the next wildcard. */
  runs: ReadonlyMap<number, string>;
}

export interface Pattern {
  /** Tokens, and the claims whose values come between them as literal text. */
  readonly parts: readonly (Tokens | { claim: string })[];
  /** Set when no value is needed. */
  readonly program: Program | null;
}

const opening = '${jwt:';

/** Splits a text at its `${jwt:claim}` places; null when one is not closed or names no claim. */
export function parseTemplate(text: string): Template | null {
  const parts: (string | { claim: string })[] = [];
  let rest = text;
  for (let start = rest.indexOf(opening); start >= 0; start = rest.indexOf(opening)) {
    const end = rest.indexOf('}', start);
    const claim = rest.slice(start + opening.length, end);
    if (end < 0 || claim === '') return null;
    parts.push(rest.slice(0, start), { claim });
    rest = rest.slice(end + 1);
  }
  return [...parts, rest].filter((part) => part !== '');
}

/** Compiles a template whose literal text may hold `*` (any run) and `?` (exactly one character). */
export function compilePattern(template: Template): Pattern {
  const parts = template.map((part) => (typeof part === 'string' ? tokenize(part) : part));
  const needsValues = parts.some((part) => 'claim' in part);
  return { parts, program: needsValues ? null : toProgram(parts.flatMap((part) => ('claim' in part ? [] : part))) };
}

/**
 * Whether the whole text matches. `valueOf` gives the value of a claim named in the pattern; what it gives is
 * literal text. null when it has none.
 */
export function matchPattern(pattern: Pattern, text: string, valueOf: (claim: string) => string | null) {
  if (pattern.program) return matches(pattern.program, text);
  const tokens: number[] = [];
  for (const part of pattern.parts) {
    const value = 'claim' in part ? valueOf(part.claim) : '';
    if (value === null) return null;
    tokens.push(...('claim' in part ? units(value) : part));
  }
  return matches(toProgram(tokens), text);
}

/** Whether a pattern consists of wildcards only. */
export const isMatchAll = (text: string): boolean => /^[*?]*$/.test(text);

function tokenize(text: string): Tokens {
  return units(text).map((unit) => (unit === 0x2a ? anyRun : unit === 0x3f ? anyOne : unit));
}

function units(text: string): number[] {
  return Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
}

function toProgram(tokens: Tokens): Program {
  const runs = new Map<number, string>();
  tokens.forEach((token, index) => {
    if (token !== anyRun) return;
    const end = tokens.findIndex((next, at) => at > index && next < 0);
    const run = tokens.slice(index + 1, end < 0 ? undefined : end);
    if (run.length > 0) runs.set(index + 1, String.fromCharCode(...run));
  });
  return { tokens, runs };
}

/**
 * Two positions and one point to return to: no recursion, no return beyond the last star. After a star the next
 * place of the literal text is looked up and not tried out, so that no claim makes a pattern slow.
 */
function matches(program: Program, text: string): boolean {
  const { tokens } = program;
  let at = 0;
  let token = 0;
  let star = -1;
  let resume = 0;
  while (at < text.length) {
    const wanted = tokens[token];
    if (wanted === anyOne || wanted === text.charCodeAt(at)) {
      at += wanted === anyOne ? width(text, at) : 1;
      token += 1;
      continue;
    }
    if (wanted === anyRun) {
      star = token;
      resume = at;
    } else if (star >= 0) resume += width(text, resume);
    else return false;
    resume = seek(program, star, text, resume);
    if (resume < 0) return false;
    at = resume;
    token = star + 1;
  }
  while (tokens[token] === anyRun) token += 1;
  return text !== '' && token === tokens.length;
}

/** The first place from which what follows a star can match; -1 when there is none. */
function seek({ tokens, runs }: Program, star: number, text: string, from: number): number {
  if (star + 1 === tokens.length) return text.length;
  const run = runs.get(star + 1);
  if (run === undefined) return from;
  if (star + 1 + run.length < tokens.length) return text.indexOf(run, from);
  const last = text.length - run.length;
  return last >= from && text.endsWith(run) ? last : -1;
}

/** A character outside the basic plane is two units. */
const width = (text: string, at: number): number => ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
