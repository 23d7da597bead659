import type { Row } from './figures';
import { alignColumns, printGoals, printTable, shorten, tableOf, type Paint } from './table';

const plain: Paint = (_, text) => text;
const loud: Paint = (colour, text) => `<${colour}>${text}</>`;
const row = (what: string, changes: Partial<Row> = {}): Row => ({
  part: 'us',
  what,
  conditions: { concurrency: 32 },
  figures: { rate: 1234.5, failed: 0 },
  cpuMicros: {},
  ...changes,
});

it.each([
  [0.123456, '0.123'],
  [1.5, '1.5'],
  [99.95, '100'],
  [1_234.5, '1,235'],
  [0, '0'],
])('%s is shown as %s', (value, text) => expect(shorten(value)).toBe(text));

it('numbers stand under numbers to the right, words to the left, and no line ends with blanks', () => {
  expect(
    alignColumns([
      ['', 'rate', 'x'],
      ['a', '9', ''],
      ['long', '1,000', 'y'],
    ]),
  ).toEqual(['      rate   x', 'a         9', 'long  1,000  y']);
});

it('a column is there when a row has it, failures only when there are any', () => {
  const [head = '', first = ''] = tableOf([row('a'), row('b', { conditions: { audit: 'frozen' } })]);
  expect(head.trim().split(/ +/)).toEqual(['concurrency', 'audit', '/s']);
  expect(first).toMatch(/^a +32 +1,235$/);
  expect(tableOf([row('a', { figures: { rate: 1, failed: 2 } })])[0]).toContain('failed');
});

it('CPU is told by process where there are several', () => {
  expect(tableOf([row('a', { cpuMicros: { exchange: 10.4, nats: 1 } })])[1]).toContain('exchange 10, nats 1');
  expect(tableOf([row('a', { cpuMicros: { one: 10 } })]).join()).not.toContain('one');
});

it('there is colour only where it is wanted', () => {
  const results = [
    { name: 'a', wanted: 'at least 1', measured: 2, met: true },
    { name: 'b', wanted: 'at most 1', measured: 2, met: false },
  ];
  expect(printTable([row('a')], loud)).toContain('<bold>');
  expect(printGoals(results, plain)).toMatch(/^a  at least 1  2  met\nb  at most 1   2  missed$/);
  expect(printGoals(results, loud)).toMatch(/<green>met<\/>\n.*<red>missed<\/>/);
});
