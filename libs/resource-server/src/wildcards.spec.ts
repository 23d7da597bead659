import { matchesWildcards } from './wildcards';

/** The definition, by recursion over both texts: slow and plain. */
function defined(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  const rest = pattern.slice(1);
  if (pattern.startsWith('*')) return defined(rest, text) || (text !== '' && defined(pattern, text.slice(1)));
  return text.startsWith(pattern.charAt(0)) && defined(rest, text.slice(1));
}

const words = (alphabet: string[], length: number): string[] =>
  length === 0 ? [''] : words(alphabet, length - 1).flatMap((word) => ['', ...alphabet].map((letter) => word + letter));

test('every pattern of 5 over every text of 5 matches exactly as defined', () => {
  const patterns = [...new Set(words(['a', 'b', '*'], 5))];
  const texts = [...new Set(words(['a', 'b'], 5))].filter((text) => text !== '');
  const wrong = patterns.flatMap((pattern) =>
    texts.filter((text) => matchesWildcards(pattern, text) !== defined(pattern, text)).map((text) => [pattern, text]),
  );
  expect(wrong).toEqual([]);
});

test.each(['', '*', '**', 'a'])('nothing matches the empty text: "%s"', (pattern) => {
  expect(matchesWildcards(pattern, '')).toBe(false);
});

// POL-24: what looks like a neighbour is none.
test.each([
  ['Function:*', 'FunctionAdmin:Read', false],
  ['staging:*', 'staging-evil:fn', false],
  ['staging:*', 'Staging:fn', false],
  ['staging:*', 'staging:fn', true],
  ['staging:?', 'staging:f', false],
  ['staging:.', 'staging:f', false],
])('%s and %s: %s', (pattern, text, expected) => {
  expect(matchesWildcards(pattern, text)).toBe(expected);
});
