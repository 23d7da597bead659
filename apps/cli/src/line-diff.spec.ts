import fc from 'fast-check';
import { lineDiff } from './line-diff';

const letters = (text: string): string => [...text].map((letter) => `${letter}\n`).join('');

/** What a reader of the hunks makes of the text before them. */
function applied(before: string, diff: string[]): string {
  const lines = before === '' ? [] : before.replace(/\n$/, '').split('\n');
  const out: string[] = [];
  let at = 0;
  for (const line of diff) {
    const [, start, count] = /^@@ -(\d+),(\d+) /.exec(line) ?? [];
    if (start !== undefined) {
      const first = Number(start) - (count === '0' ? 0 : 1);
      out.push(...lines.slice(at, first));
      at = first;
      continue;
    }
    if (!line.startsWith('+')) expect(lines[at++]).toBe(line.slice(1));
    if (!line.startsWith('-')) out.push(line.slice(1));
  }
  return [...out, ...lines.slice(at)].map((line) => `${line}\n`).join('');
}

describe('the difference of two texts', () => {
  it.each<[string, string, string, string[]]>([
    ['nothing, of equal texts', 'abc', 'abc', []],
    ['everything, of a new text', '', 'ab', ['@@ -0,0 +1,2 @@', '+a', '+b']],
    ['everything, of a text that is gone', 'ab', '', ['@@ -1,2 +0,0 @@', '-a', '-b']],
    [
      'a changed line with three lines around it',
      '12345x6789a',
      '12345y6789a',
      ['@@ -3,7 +3,7 @@', ' 3', ' 4', ' 5', '-x', '+y', ' 6', ' 7', ' 8'],
    ],
    [
      'changes that are far apart, by themselves',
      'x1234567y',
      'a1234567b',
      ['@@ -1,4 +1,4 @@', '-x', '+a', ' 1', ' 2', ' 3', '@@ -6,4 +6,4 @@', ' 5', ' 6', ' 7', '-y', '+b'],
    ],
    ['as few lines as possible', 'abcd', 'bcda', ['@@ -1,4 +1,4 @@', '-a', ' b', ' c', ' d', '+a']],
  ])('is %s', (_, before, after, diff) => {
    expect(lineDiff(letters(before), letters(after))).toEqual(diff);
  });

  it('leads from one to the other, whatever they are', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 30 }).map((all) => letters(all.join('')));
    fc.assert(fc.property(text, text, (before, after) => expect(applied(before, lineDiff(before, after))).toBe(after)));
  });

  it('is shown as replaced where it would take too long to find', () => {
    const [before, after] = ['x', 'y'].map((mark) => Array.from({ length: 3_000 }, (_, n) => `${mark}${n}\n`).join(''));
    const diff = lineDiff(`same\n${before}`, `same\n${after}`);
    expect(diff.slice(0, 3)).toEqual(['@@ -1,3001 +1,3001 @@', ' same', '-x0']);
    expect(diff).toHaveLength(6_002);
  });
});
