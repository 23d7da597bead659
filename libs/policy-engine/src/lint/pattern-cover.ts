import { compilePattern, matchPattern } from '../patterns';

/**
 * Whether a pattern matches everything that another one does. Wildcards of the other are taken as characters that
 * no text has, so the answer is never wrong when it is yes.
 */
export function coversPattern(pattern: string, other: string): boolean {
  if (pattern === '*' || pattern === other) return true;
  if (!/[*?]/.test(pattern) || pattern.includes('${jwt:')) return false;
  const sample = other
    .replaceAll(/\$\{jwt:[^}]*\}/g, '\u{10fffd}')
    .replaceAll('*', '\u{10fffd}\u{10fffd}')
    .replaceAll('?', '\u{10fffd}');
  return matchPattern(compilePattern([pattern]), sample, () => null) === true && !needsText(pattern, other);
}

/** `*` may stand for nothing, so only the wildcard of the pattern can cover it: a `?` cannot. */
const needsText = (pattern: string, other: string): boolean => other.includes('*') && pattern.includes('?');

/** Whether every one of the patterns is matched by one of the covering ones. */
export const coversAll = (covering: readonly string[], patterns: readonly string[]): boolean =>
  patterns.every((pattern) => covering.some((candidate) => coversPattern(candidate, pattern)));
