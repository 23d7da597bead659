import { RefreshQueue } from './refresh-queue';

describe('fetching ahead of need', () => {
  it('does so many at once, each at most once, and goes on when some end', async () => {
    const ends: (() => void)[] = [];
    const slow = () => ({ refreshWhenDue: () => new Promise<void>((resolve) => ends.push(resolve)) });
    const queue = new RefreshQueue();
    const keySets = Array.from({ length: 100 }, slow);
    for (const keySet of [...keySets, ...keySets.slice(50)]) queue.add(keySet);
    expect(ends).toHaveLength(32);
    let ended = 0;
    while (ended < ends.length) {
      ends[ended]?.();
      ended += 1;
      await new Promise(setImmediate);
      expect(ends.length - ended).toBeLessThanOrEqual(32);
    }
    expect(ended).toBe(100);
  });
});
