import { Schedule } from './schedule';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test('turns come one after the other, each after the pause that the one before asked for, and none after the stop', async () => {
  const begun: number[] = [];
  let end = (_pauseMs: number): void => undefined;
  const schedule = new Schedule(() => {
    begun.push(Date.now());
    return new Promise((resolve) => (end = resolve));
  });
  const start = Date.now();
  schedule.start(10);
  await jest.advanceTimersByTimeAsync(1_000);
  expect(begun).toEqual([start + 10]);
  end(500);
  await jest.advanceTimersByTimeAsync(500);
  expect(begun).toEqual([start + 10, start + 1_500]);
  let hasStopped = false;
  const stopped = schedule.stop().then(() => (hasStopped = true));
  await jest.advanceTimersByTimeAsync(1_000);
  expect([hasStopped, schedule.isStopping]).toEqual([false, true]);
  end(0);
  await stopped;
  await jest.advanceTimersByTimeAsync(1_000);
  expect(begun).toHaveLength(2);
});

test('one that is stopped before its first turn has none', async () => {
  const work = jest.fn(() => Promise.resolve(0));
  const schedule = new Schedule(work);
  schedule.start(5);
  await schedule.stop();
  await jest.advanceTimersByTimeAsync(100);
  expect(work).not.toHaveBeenCalled();
});
