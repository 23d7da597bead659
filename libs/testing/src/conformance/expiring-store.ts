import { UnavailableError } from '@countersign/platform';
import type { ExpiringStore } from '@countersign/redis';
import { eventually } from '../waiting';

export interface ExpiringStoreSetting {
  /** Another replica's store on the same storage. */
  open(): Promise<ExpiringStore>;
  tearDown(): Promise<void>;
}

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

/**
 * Does what has to be over before an end, and resolves with the end; once more with a later one when it was not, or
 * when the machine was too slow for the store's own deadline.
 */
async function beforeItsEnd(seconds: number, work: (end: number) => Promise<void>): Promise<number> {
  const end = inSeconds(seconds);
  const outcome = await work(end).then(
    () => null,
    (error: unknown) => ({ error }),
  );
  // The server's clock may be a little ahead of ours.
  const isLate = Date.now() > end * 1000 - 100 || outcome?.error instanceof UnavailableError;
  if (isLate) return beforeItsEnd(2 * seconds, work);
  if (outcome !== null) throw outcome.error;
  return end;
}

/** Declares the guarantees of an ExpiringStore as tests. */
export function expiringStoreConformance(name: string, setUp: () => Promise<ExpiringStoreSetting>): void {
  describe(`${name} as an expiring store`, () => {
    let setting: ExpiringStoreSetting;
    let store: ExpiringStore;
    let other: ExpiringStore;
    let keys = 0;
    const newKey = (): string => `cs:conformance:${++keys}`;

    beforeAll(async () => {
      setting = await setUp();
      store = await setting.open();
      other = await setting.open();
      await eventually(() => Promise.all([store.ping(), other.ping()]));
    });
    afterAll(async () => {
      await Promise.all([store.close(), other.close()]);
      await setting.tearDown();
    });

    test('keeps what was set, for every replica, until it is replaced or deleted', async () => {
      const key = newKey();
      expect(await store.get(key)).toBeNull();
      await store.set(key, 'ü "1"', inSeconds(60));
      expect(await other.get(key)).toBe('ü "1"');
      await other.set(key, '2', null);
      expect(await store.get(key)).toBe('2');
      await store.delete(key);
      expect(await other.get(key)).toBeNull();
      await store.delete(key);
    });

    test('reserves a key once, and reads the holder and the sentinel in the same step', async () => {
      const [key, sentinel] = [newKey(), newKey()];
      expect(await store.reserve(key, 'a', inSeconds(60), sentinel)).toMatchObject({ reserved: true, sentinel: null });
      await store.set(sentinel, 'epoch', null);
      expect(await other.reserve(key, 'b', inSeconds(60), sentinel)).toMatchObject({
        reserved: false,
        heldBy: 'a',
        sentinel: 'epoch',
      });
      expect(await store.get(key)).toBe('a');
      expect(await store.reserve(newKey(), 'c', inSeconds(60), sentinel)).toMatchObject({
        reserved: true,
        heldBy: 'c',
        sentinel: 'epoch',
      });
    });

    test('reserving again with the same value is the same reservation, from any replica', async () => {
      const key = newKey();
      for (const one of [store, store, other])
        expect(await one.reserve(key, 'mine', inSeconds(60), 'cs:none')).toMatchObject({ reserved: true });
      expect(await store.deleteIfEquals(key, 'mine')).toBe(true);
      expect(await store.get(key)).toBeNull();
    });

    test('tells its own time and which run of the server answers, the same to every replica', async () => {
      const sentinel = newKey();
      await store.set(sentinel, 'epoch', null);
      const states = [await store.inspect(sentinel), await other.inspect(sentinel)];
      const { life, now } = await store.reserve(newKey(), 'v', inSeconds(60), sentinel);
      expect(life).toMatch(/^[\w.]{6,}$/);
      for (const state of states) {
        expect(state).toMatchObject({ sentinel: 'epoch', life });
        expect(Math.abs(state.now - Date.now() / 1000)).toBeLessThan(60);
        expect(state.now).toBeLessThanOrEqual(now);
      }
    });

    test('of 200 reservations at once over two replicas exactly one succeeds, each of ten times', async () => {
      for (let round = 0; round < 10; round++) {
        const key = newKey();
        // Again where the answer came too late: the same value is the same reservation.
        const attempts = Array.from({ length: 200 }, (_, index) =>
          eventually(() => (index % 2 === 0 ? store : other).reserve(key, `${index}`, inSeconds(60), 'cs:none')),
        );
        const winners = (await Promise.all(attempts)).flatMap(({ reserved }, index) => (reserved ? [`${index}`] : []));
        expect(winners).toEqual([await store.get(key)]);
      }
    });

    test('of many keys at once over two replicas each has one holder, who is named to the others, and its own sentinel', async () => {
      const sentinel = newKey();
      await store.set(sentinel, 'epoch', null);
      const asked = Array.from({ length: 20 }, newKey).flatMap((key) =>
        ['a', 'b', 'c'].map((value) => ({ key, value })),
      );
      const answers = await Promise.all(
        asked.map(async ({ key, value }, index) => {
          const [one, sentinelKey] = [index % 2 === 0 ? store : other, value === 'b' ? 'cs:none' : sentinel];
          const answer = await eventually(() => one.reserve(key, value, inSeconds(60), sentinelKey));
          expect(answer.sentinel).toBe(value === 'b' ? null : 'epoch');
          return { key, value, ...answer };
        }),
      );
      for (const { key, value, reserved, heldBy } of answers) {
        const held = await store.get(key);
        expect(reserved).toBe(held === value);
        // Null where the holder came in the same moment.
        expect([held, null]).toContain(heldBy);
      }
    });

    test('gives a reserved key back only to who holds it', async () => {
      const key = newKey();
      await store.reserve(key, 'mine', inSeconds(60), 'cs:none');
      expect(await other.deleteIfEquals(key, 'theirs')).toBe(false);
      expect(await store.get(key)).toBe('mine');
      expect(await store.deleteIfEquals(key, 'mine')).toBe(true);
      expect(await store.deleteIfEquals(key, 'mine')).toBe(false);
      expect((await other.reserve(key, 'theirs', inSeconds(60), 'cs:none')).reserved).toBe(true);
    });

    test('counts without losing one of 200 at once over two replicas, and keeps the first end', async () => {
      let key = '';
      await beforeItsEnd(3, async (end) => {
        key = newKey();
        expect(await store.increment(key, end)).toBe(1);
        const counting = Array.from({ length: 199 }, (_, index) =>
          (index % 2 === 0 ? store : other).increment(key, inSeconds(60)),
        );
        const sums = (await Promise.all(counting)).sort((a, b) => a - b);
        expect(sums).toEqual(Array.from({ length: 199 }, (_, index) => index + 2));
      });
      await eventually(async () => expect(await store.get(key)).toBeNull());
      expect(await other.increment(key, inSeconds(60))).toBe(1);
      expect(await store.increment(key, inSeconds(60))).toBe(2);
    });

    test('forgets a key at its end, and then it can be reserved again', async () => {
      let [kept, reserved] = ['', ''];
      const end = await beforeItsEnd(2, async (soon) => {
        [kept, reserved] = [newKey(), newKey()];
        await store.set(kept, 'v', soon);
        await store.reserve(reserved, 'v', soon, 'cs:none');
        expect((await store.reserve(reserved, 'w', soon, 'cs:none')).reserved).toBe(false);
      });
      await eventually(async () => expect([await store.get(kept), await store.get(reserved)]).toEqual([null, null]));
      expect(Date.now()).toBeGreaterThan(end * 1000 - 50);
      expect(await store.deleteIfEquals(reserved, 'v')).toBe(false);
      expect((await store.reserve(reserved, 'w', inSeconds(60), kept)).reserved).toBe(true);
      expect(await store.get(reserved)).toBe('w');
    });

    test.each([0, -5, 1.5, Number.NaN, Infinity, 1_000_000_000])(
      'refuses an end that is no future epoch second (%p), and stores nothing',
      async (offset) => {
        const key = newKey();
        const end = Math.abs(offset) === 5 || offset === 0 ? inSeconds(offset) : offset;
        await expect(store.reserve(key, 'v', end, 'cs:none')).rejects.toThrow(RangeError);
        await expect(store.set(key, 'v', end)).rejects.toThrow(RangeError);
        expect(await store.get(key)).toBeNull();
      },
    );

    const badKeys = ['', 'a b', 'a\r\nDEL b', 'ü', '\0', 'k'.repeat(513)];
    test.each(badKeys)('refuses a key that is not 1 to 512 printable ASCII characters (%j)', async (key) => {
      await expect(store.get(key)).rejects.toThrow(RangeError);
      await expect(store.set(key, 'v', null)).rejects.toThrow(RangeError);
      await expect(store.reserve(key, 'v', inSeconds(60), 'cs:none')).rejects.toThrow(RangeError);
      await expect(store.reserve(newKey(), 'v', inSeconds(60), key)).rejects.toThrow(RangeError);
      await expect(store.inspect(key)).rejects.toThrow(RangeError);
      await expect(store.deleteIfEquals(key, 'v')).rejects.toThrow(RangeError);
      await expect(store.delete(key)).rejects.toThrow(RangeError);
    });
  });
}
