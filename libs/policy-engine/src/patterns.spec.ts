import { isMatchAll, compilePattern, matchPattern, parseTemplate } from './patterns';

const matches = (pattern: string, text: string): boolean | null =>
  matchPattern(compilePattern([pattern]), text, () => null);

/** The definition, by recursion over both texts: slow and plain. */
function defined(pattern: readonly string[], text: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return text.length === 0;
  if (first === '*') return defined(rest, text) || (text.length > 0 && defined(pattern, text.slice(1)));
  return text.length > 0 && (first === '?' || first === text[0]) && defined(rest, text.slice(1));
}

const words = (alphabet: readonly string[], length: number): string[] =>
  length === 0 ? [''] : words(alphabet, length - 1).flatMap((word) => ['', ...alphabet].map((letter) => word + letter));

test('every pattern of 4 over every text of 4 matches exactly as defined', () => {
  const patterns = [...new Set(words(['a', '*', '?', '😀'], 4))];
  const texts = [...new Set(words(['a', 'b', '😀'], 4))].filter((text) => text !== '');
  const wrong = patterns.flatMap((pattern) =>
    texts.filter((text) => matches(pattern, text) !== defined([...pattern], [...text])).map((text) => [pattern, text]),
  );
  expect(wrong).toEqual([]);
});

test('nothing matches the empty text', () => {
  expect(['', '*', '**', '?'].map((pattern) => matches(pattern, ''))).toEqual([false, false, false, false]);
});

test('patterns made to be slow are answered', () => {
  expect(matches(`${'a*'.repeat(30)}b`, 'a'.repeat(60))).toBe(false);
  expect(matches(`*${'a'.repeat(998)}b`, 'a'.repeat(20_000))).toBe(false);
  expect(matches(`${'*a?'.repeat(300)}b`, 'a'.repeat(20_000))).toBe(false);
});

test.each([
  ['*', true],
  ['?*', true],
  ['', true],
  ['a*', false],
])('"%s" matches everything: %s', (pattern, expected) => {
  expect(isMatchAll(pattern)).toBe(expected);
});

test.each([
  ['plain', ['plain']],
  ['a${jwt:x}b${jwt:y}', ['a', { claim: 'x' }, 'b', { claim: 'y' }]],
  ['${jwt:/a/b~1c}', [{ claim: '/a/b~1c' }]],
  ['${other}', ['${other}']],
  ['${jwt:', null],
  ['${jwt:}', null],
])('the template %s is read', (text, expected) => {
  expect(parseTemplate(text)).toEqual(expected);
});
