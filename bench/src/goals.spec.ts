import type { Row } from './figures';
import { GOALS, judge } from './goals';

const row = (conditions: Row['conditions'], figures: Row['figures']): Row => ({
  part: 'us',
  what: 'four processes',
  conditions: { roles: 1_000, ...conditions },
  figures,
  cpuMicros: {},
});

const goal = { name: 'g', part: 'us', where: { concurrency: 32, audit: undefined }, figure: 'rate' };

it.each([
  ['at least', { least: 10 }, 10, true],
  ['too little', { least: 10 }, 9.99, false],
  ['at most', { most: 10 }, 10, true],
  ['too much', { most: 10 }, 10.01, false],
])('%s what is wanted', (_, limit, rate, met) => {
  expect(judge([row({ concurrency: 32 }, { rate })], [{ ...goal, ...limit }])).toMatchObject([{ met, measured: rate }]);
});

it('only the row under exactly these conditions counts, and of several the last', () => {
  const rows = [
    row({ concurrency: 32 }, { rate: 1 }),
    row({ concurrency: 32 }, { rate: 2 }),
    row({ concurrency: 32, audit: 'frozen' }, { rate: 3 }),
    row({ concurrency: 1 }, { rate: 4 }),
  ];
  expect(judge(rows, [{ ...goal, least: 2 }])).toMatchObject([{ measured: 2, met: true }]);
});

it('what was not measured is neither met nor missed', () => expect(judge([])).toEqual([]));

it('every goal has one limit', () => {
  for (const { least, most } of GOALS) expect([least, most].filter((limit) => limit !== undefined)).toHaveLength(1);
});
