import { DeliveryPace } from './delivery-pace';

it('counts the attempts of the last second, of each endpoint by itself, whatever becomes of the clock', () => {
  const pace = new DeliveryPace();
  for (const at of [0, 500, 999]) pace.note('a', at);
  pace.note('b', 999);
  const counts = [999, 1_000, 1_500, 1_999, 400].map((now) => [now, ...pace.recent(now)]);
  expect(counts).toEqual([
    [999, ['a', 3], ['b', 1]],
    [1_000, ['a', 2], ['b', 1]],
    [1_500, ['a', 1], ['b', 1]],
    [1_999],
    [400],
  ]);
});

it('is not held up by attempts that a clock put back says are still to come', () => {
  const pace = new DeliveryPace();
  pace.note('a', 1_000_000);
  expect(pace.recent(5).size).toBe(0);
});
