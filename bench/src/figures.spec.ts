import { cpuOf, median, medians, ratio, type Sample } from './figures';

const sample = (rate: number): Sample => ({ figures: { rate }, cpuMicros: {} });

it.each([
  [[5], 5],
  [[3, 1, 2], 2],
  [[4, 1, 3, 2], 2.5],
  [[10, 9], 9.5],
])('the median of %j is %s', (values, expected) => expect(median(values)).toBe(expected));

it('each figure has a median of its own', () => {
  const rounds = [
    { rate: 1, p50Ms: 30 },
    { rate: 3, p50Ms: 10 },
    { rate: 2, p50Ms: 20 },
  ];
  expect(medians(rounds)).toEqual({ rate: 2, p50Ms: 20 });
});

it('a ratio compares what was measured in the same round, so that a slow minute changes nothing', () => {
  const ours = [200, 20, 100].map(sample);
  const others = [100, 10, 50].map(sample);
  expect(ratio(ours, others)).toBe(2);
  expect(ratio(ours, ours)).toBe(1);
  const dear = { figures: { rate: 1 }, cpuMicros: { exchange: 300, nats: 100 } };
  const cheap = { figures: { rate: 9 }, cpuMicros: { one: 200 } };
  expect(ratio([dear], [cheap], cpuOf)).toBe(2);
});
