import {
  matchesProgram,
  points,
  programOfText,
  programOfTokens,
  tokenize,
  type Program,
  type Tokens,
} from './match-tokens';

/** Limits of one pattern, in UTF-16 units and stars. */
export const patternLimits = { length: 512, stars: 16 };

/** Text in which `${jwt:claim}` stands for a claim's value. */
export type Template = readonly (string | { claim: string })[];

export interface Pattern {
  /** Tokens, and the claims whose values come between them as literal text; empty when no value is needed. */
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
  const texts = template.filter((part) => typeof part === 'string');
  if (texts.length === template.length) return { parts: [], program: programOfText(texts.join('')) };
  return { parts: template.map((part) => (typeof part === 'string' ? tokenize(part) : part)), program: null };
}

/**
 * Whether the whole text matches. `valueOf` gives the value of a claim named in the pattern; what it gives is
 * literal text. null when it has none.
 */
export function matchPattern(pattern: Pattern, text: string, valueOf: (claim: string) => string | null) {
  if (pattern.program) return matchesProgram(pattern.program, text);
  const tokens: number[] = [];
  for (const part of pattern.parts) {
    const value = 'claim' in part ? valueOf(part.claim) : '';
    if (value === null) return null;
    tokens.push(...('claim' in part ? points(value) : part));
  }
  return matchesProgram(programOfTokens(tokens), text);
}

/** Whether a pattern consists of wildcards only. */
export const isMatchAll = (text: string): boolean => /^[*?]*$/.test(text);
