import fc from 'fast-check';
import { compilePattern, matchPattern, patternLimits } from './patterns';

// fast-check prints seed and path of what fails; both go here to see it again.
const settings = { seed: 20_261_121, numRuns: 2_000 };

const matches = (pattern: string, text: string): boolean | null =>
  matchPattern(compilePattern([pattern]), text, () => null);

/** The definition as a table: row i says which beginnings of the text the first i characters of the pattern match. */
function defined(pattern: string, text: string): boolean {
  const letters = [...text];
  let row = [true, ...letters.map(() => false)];
  for (const wanted of pattern) {
    const next = [wanted === '*' && row[0] === true];
    for (const [index, letter] of letters.entries()) {
      const one = (wanted === '?' || wanted === letter) && row[index] === true;
      next.push(wanted === '*' ? row[index + 1] === true || next[index] === true : one);
    }
    row = next;
  }
  return text !== '' && row.at(-1) === true;
}

const few = ['a', 'b', '/', ':', '😀', '\u00e9', '\ud83d', '.', '\\', '['];
const text = fc.array(fc.constantFrom(...few), { maxLength: 40 }).map((letters) => letters.join(''));
const pattern = fc.array(fc.constantFrom(...few, '*', '*', '?', '?'), { maxLength: 24 }).map((parts) => parts.join(''));

/** A pattern made from the text itself: letters replaced by wildcards, runs left out. */
const related = text.chain((whole) =>
  fc
    .array(fc.constantFrom('keep', 'keep', 'one', 'run', 'other'), { minLength: whole.length, maxLength: whole.length })
    .map((edits) => {
      const edited = [...whole].map((letter, index) => {
        if (edits[index] === 'one') return '?';
        if (edits[index] === 'run') return '*';
        return edits[index] === 'other' && index % 7 === 0 ? 'x' : letter;
      });
      return [edited.join(''), whole] as const;
    }),
);

test('any pattern matches any text exactly as defined', () => {
  fc.assert(
    fc.property(pattern, text, (written, value) => matches(written, value) === defined(written, value)),
    settings,
  );
});

test('a pattern that is made from the text matches it exactly as defined', () => {
  let matched = 0;
  fc.assert(
    fc.property(related, ([written, value]) => {
      matched += Number(matches(written, value));
      return matches(written, value) === defined(written, value);
    }),
    settings,
  );
  expect(matched).toBeGreaterThan(settings.numRuns / 10);
});

test('half of a pair is no part of a character', () => {
  expect(['*\ud83d*', '\ud83d*', '*\ude00', '*\ude00*'].map((written) => matches(written, '😀'))).toEqual(
    Array.from({ length: 4 }, () => false),
  );
});

/** A text that counts how often one of its characters is looked at. */
class CountingText {
  looks = 0;
  readonly length: number;
  constructor(private readonly text: string) {
    this.length = text.length;
  }
  codePointAt(at: number): number | undefined {
    this.looks += 1;
    return this.text.codePointAt(at);
  }
  startsWith(run: string): boolean {
    this.looks += run.length;
    return this.text.startsWith(run);
  }
  endsWith(run: string): boolean {
    this.looks += run.length;
    return this.text.endsWith(run);
  }
  indexOf(run: string, from: number): number {
    const found = this.text.indexOf(run, from);
    this.looks += (found < 0 ? this.length : found) - from + run.length;
    return found;
  }
}

function looksAt(written: string, value: string): number {
  const counting = new CountingText(value);
  matches(written, counting as unknown as string);
  return counting.looks;
}

// POL-19: counted, because a time says more about the machine than about the pattern.
test.each<[string, string, string]>([
  ['many stars before what never comes', `${'a*'.repeat(15)}b`, 'a'.repeat(60)],
  ['many stars over a long text', `${'a*'.repeat(15)}b`, 'a'.repeat(16_000)],
  ['a long run that fails at its end', `*${'a'.repeat(500)}b*`, 'a'.repeat(16_000)],
  ['a long run that fails at its beginning', `*b${'a'.repeat(500)}*`, 'a'.repeat(16_000)],
  ['single characters between', `*${'a?'.repeat(250)}b*`, 'a'.repeat(16_000)],
  ['single characters alone', `*${'?'.repeat(500)}b*`, 'a'.repeat(16_000)],
  ['single characters behind a star, at the end', `*${'?a'.repeat(250)}b`, 'a'.repeat(16_000)],
  ['wide characters', `*${'?'.repeat(200)}b*`, '😀'.repeat(8_000)],
])('%s: no character of the text is looked at again and again', (_, written, value) => {
  expect(written.length).toBeLessThanOrEqual(patternLimits.length);
  expect(looksAt(written, value)).toBeLessThanOrEqual(value.length + 3 * written.length);
});

test('no pattern at all looks at more than that', () => {
  fc.assert(
    fc.property(
      fc.oneof(related, fc.tuple(pattern, text)),
      ([written, value]) => looksAt(written, value) <= value.length + 3 * written.length,
    ),
    settings,
  );
});
