import { Gathered } from './gathered';

/** Work that goes on until it is told how it ends. */
function controlled(most = 100) {
  const calls: { items: number[]; end: () => void; fail: (error: Error) => void }[] = [];
  const gathered = new Gathered<number, string>({
    most,
    work: (items) =>
      new Promise((resolve, reject) => {
        calls.push({ items, end: () => resolve(items.map((item) => `did ${item}`)), fail: reject });
      }),
  });
  return { gathered, calls, itemsOf: () => calls.map(({ items }) => items) };
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test('one that comes alone does not wait; those that come meanwhile go together, and each gets its own result', async () => {
  const { gathered, calls, itemsOf } = controlled();
  const first = gathered.add(1);
  const rest = [2, 3, 4].map((item) => gathered.add(item));
  expect(itemsOf()).toEqual([[1]]);
  calls[0]?.end();
  expect(await first).toBe('did 1');
  await jest.advanceTimersByTimeAsync(0);
  expect(itemsOf()).toEqual([[1], [2, 3, 4]]);
  calls[1]?.end();
  expect(await Promise.all(rest)).toEqual(['did 2', 'did 3', 'did 4']);
  await gathered.settled();
  void gathered.add(5);
  expect(itemsOf()).toEqual([[1], [2, 3, 4], [5]]);
});

test('no call is given more than asked, and what waits is told in its own time', async () => {
  const { gathered, calls, itemsOf } = controlled(2);
  void gathered.add(1);
  for (const item of [2, 3, 4]) void gathered.add(item);
  calls[0]?.end();
  await jest.advanceTimersByTimeAsync(0);
  expect(itemsOf()).toEqual([[1], [2, 3]]);
  calls[1]?.end();
  await jest.advanceTimersByTimeAsync(0);
  expect(itemsOf()).toEqual([[1], [2, 3], [4]]);
});

test('a failure is that of its own call, and not of those that wait for it', async () => {
  const { gathered, calls } = controlled();
  const failed = gathered.add(1);
  const next = gathered.add(2);
  calls[0]?.fail(new Error('lost'));
  await expect(failed).rejects.toThrow('lost');
  await jest.advanceTimersByTimeAsync(0);
  calls[1]?.end();
  expect(await next).toBe('did 2');
});

test('behind a call that does not end nobody waits longer than 100 ms, and its late end starts nothing', async () => {
  const { gathered, calls, itemsOf } = controlled();
  const first = gathered.add(1);
  const second = gathered.add(2);
  await jest.advanceTimersByTimeAsync(99);
  expect(itemsOf()).toEqual([[1]]);
  await jest.advanceTimersByTimeAsync(1);
  expect(itemsOf()).toEqual([[1], [2]]);
  void gathered.add(3);
  calls[0]?.end();
  expect(await first).toBe('did 1');
  await jest.advanceTimersByTimeAsync(0);
  expect(itemsOf()).toEqual([[1], [2]]);
  calls[1]?.end();
  expect(await second).toBe('did 2');
  await jest.advanceTimersByTimeAsync(0);
  expect(itemsOf()).toEqual([[1], [2], [3]]);
});

test('settled waits for what goes on and for what waits', async () => {
  const { gathered, calls } = controlled();
  void gathered.add(1);
  void gathered.add(2);
  const seen: string[] = [];
  const settled = gathered.settled().then(() => seen.push('settled'));
  calls[0]?.end();
  await jest.advanceTimersByTimeAsync(0);
  expect(seen).toEqual([]);
  calls[1]?.end();
  await settled;
});
