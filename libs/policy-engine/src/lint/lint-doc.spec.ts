import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lintRules } from './lint-rules';

const text = readFileSync(join(__dirname, '../../../../docs/lint.md'), 'utf8');

const rows = text.split('\n').flatMap((line) => {
  if (!/^\| CS\d{3} /.test(line)) return [];
  return [
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  ];
});

test('docs/lint.md lists the rules as they are', () => {
  expect(rows).toEqual(
    lintRules.map(({ id, severity, kind, title, example, fix }) => [
      ...[id, severity, kind, title, `\`${example}\``, fix],
    ]),
  );
});

test('a rule says what is wrong and what to do in a line', () => {
  for (const { id, title, fix } of lintRules) {
    expect([id, title.length <= 120, fix.length <= 160]).toEqual([id, true, true]);
    expect(fix).toMatch(/\.$/);
  }
});
