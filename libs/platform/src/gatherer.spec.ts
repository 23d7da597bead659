import { Gatherer } from './gatherer';

/** Work that goes on until it is told how it ends. */
function controlled(most = 100) {
  const calls: { items: number[]; end: () => void; fail: (error: Error) => void }[] = [];
  const groups = new Gatherer<number, string>({
    most,
    patienceMs: 100,
    work: (items) =>
      new Promise((resolve, reject) => {
        calls.push({ items, end: () => resolve(items.map((item) => `did ${item}`)), fail: reject });
      }),
  });
  return { groups, calls, itemsOf: () => calls.map(({ items }) => items) };
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const nextTurn = () => jest.advanceTimersByTimeAsync(0);

test('those that come in one turn go together, and so do those that come meanwhile; each gets its own result', async () => {
  const { groups, calls, itemsOf } = controlled();
  const first = [1, 2].map((item) => groups.add(item));
  await nextTurn();
  expect(itemsOf()).toEqual([[1, 2]]);
  const rest = [3, 4, 5].map((item) => groups.add(item));
  await nextTurn();
  expect(itemsOf()).toEqual([[1, 2]]);
  calls[0]?.end();
  expect(await Promise.all(first)).toEqual(['did 1', 'did 2']);
  await nextTurn();
  expect(itemsOf()).toEqual([
    [1, 2],
    [3, 4, 5],
  ]);
  calls[1]?.end();
  expect(await Promise.all(rest)).toEqual(['did 3', 'did 4', 'did 5']);
  await groups.settled();
  void groups.add(6);
  await nextTurn();
  expect(itemsOf().at(-1)).toEqual([6]);
});

test('no call is given more than asked', async () => {
  const { groups, calls, itemsOf } = controlled(2);
  for (const item of [1, 2, 3, 4, 5]) void groups.add(item);
  for (const number of [0, 1, 2]) {
    await nextTurn();
    calls[number]?.end();
  }
  await groups.settled();
  expect(itemsOf()).toEqual([[1, 2], [3, 4], [5]]);
});

test('a failure is that of its own call, and not of those that wait for it', async () => {
  const { groups, calls } = controlled();
  const failed = groups.add(1);
  await nextTurn();
  const next = groups.add(2);
  calls[0]?.fail(new Error('lost'));
  await expect(failed).rejects.toThrow('lost');
  await nextTurn();
  calls[1]?.end();
  expect(await next).toBe('did 2');
});

test('behind a call that does not end nobody waits longer than 100 ms, and its late end starts nothing', async () => {
  const { groups, calls, itemsOf } = controlled();
  const first = groups.add(1);
  await nextTurn();
  const second = groups.add(2);
  await jest.advanceTimersByTimeAsync(99);
  expect(itemsOf()).toEqual([[1]]);
  await jest.advanceTimersByTimeAsync(2);
  await nextTurn();
  expect(itemsOf()).toEqual([[1], [2]]);
  void groups.add(3);
  calls[0]?.end();
  expect(await first).toBe('did 1');
  await nextTurn();
  expect(itemsOf()).toEqual([[1], [2]]);
  calls[1]?.end();
  expect(await second).toBe('did 2');
  await nextTurn();
  expect(itemsOf()).toEqual([[1], [2], [3]]);
});

test('settled waits for what goes on and for what waits', async () => {
  const { groups, calls } = controlled();
  void groups.add(1);
  const seen: string[] = [];
  const settled = groups.settled().then(() => seen.push('settled'));
  await nextTurn();
  void groups.add(2);
  calls[0]?.end();
  await nextTurn();
  expect([calls.length, ...seen]).toEqual([2]);
  calls[1]?.end();
  await settled;
});
