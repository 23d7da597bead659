import { setImmediate } from 'node:timers/promises';
import { inStretches } from './in-stretches';

afterEach(() => jest.restoreAllMocks());

function* work(count: number) {
  for (let n = 0; n < count; n += 1) yield;
  return 'done';
}

/** How often others get a turn while work of so many steps goes on, each of which takes so long. */
async function turnsDuring(steps: number, stepMs: number): Promise<number> {
  let now = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => (now += stepMs));
  let turns = 0;
  let isDone = false;
  const working = inStretches(work(steps)).finally(() => (isDone = true));
  for (; !isDone; turns += 1) await setImmediate();
  await expect(working).resolves.toBe('done');
  return turns;
}

it.each([
  ['after each step that takes long', 20, 50, 20],
  ['after a few that do not', 80, 2, 20],
  ['hardly ever when all of it takes no time', 80, 0, 0],
])('others have the process %s', async (_, steps, stepMs, least) => {
  const turns = await turnsDuring(steps, stepMs);
  expect(turns).toBeGreaterThanOrEqual(least);
  expect(turns).toBeLessThanOrEqual(least + 3);
});

it('hands on what goes wrong in a step', async () => {
  const steps = work(3);
  steps.next = () => {
    throw new Error('broken');
  };
  await expect(inStretches(steps)).rejects.toThrow('broken');
});
