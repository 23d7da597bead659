import type { Resource } from '@countersign/platform';

/** What came of `reserve()`, all of it read in one atomic step. */
export interface Reservation {
  /** Whether the key holds our value now: it was free, or this very value held it before. */
  reserved: boolean;
  /** The value that the key holds, where the store can tell. */
  heldBy: string | null;
  sentinel: string | null;
  /** Names one run of one server: another one after every restart, and on every other server. */
  life: string;
  /** Epoch seconds, with fractions, by the store's own clock, which all replicas share. */
  now: number;
}

/** What `reserve()` is called with, for stores that take several steps as one. */
export interface ReserveCall {
  key: string;
  value: string;
  /** Epoch seconds. */
  expiresAt: number;
  sentinelKey: string;
}

/** Whether what the store holds can be all that it ever acknowledged. */
export interface StoreState extends Pick<Reservation, 'sentinel' | 'life' | 'now'> {
  /** False when this life may have begun with less than what the former one had acknowledged. */
  remembers: boolean;
}

/**
 * Keys with an end: used subject tokens, cached key sets, counters. Every key has an expiry. Two implementations:
 * Redis, and a Postgres table for the embedded mode. Keys are at most 512 printable ASCII characters.
 * Every method throws UnavailableError when the store does not answer in time: within a second, at once while it is late.
 */
export abstract class ExpiringStore implements Resource {
  /**
   * Before `reserve()`: while the store is late nothing is asked of it, and nothing has to be given back afterwards.
   * @throws UnavailableError
   */
  assertPrompt(): void {}

  abstract get(key: string): Promise<string | null>;

  /** Sets or replaces; `expiresAt` in epoch seconds; null keeps it for ever (the epoch sentinel alone). */
  abstract set(key: string, value: string, expiresAt: number | null): Promise<void>;

  /**
   * One atomic step: takes the key if it is free, and reads `sentinelKey`. Doing it again with the same value changes
   * nothing. An `expiresAt` (epoch seconds) in the past is refused with a RangeError, since Redis would answer OK and
   * store nothing. After an UnavailableError the key may be taken, at once or later.
   */
  abstract reserve(key: string, value: string, expiresAt: number, sentinelKey: string): Promise<Reservation>;

  /** One atomic step: adds one and resolves with the sum; the first of them begins at 1 and sets the end. */
  abstract increment(key: string, expiresAt: number): Promise<number>;

  abstract inspect(sentinelKey: string): Promise<StoreState>;

  /** Deletes the key only while it still holds this value. */
  abstract deleteIfEquals(key: string, value: string): Promise<boolean>;

  abstract delete(key: string): Promise<void>;

  abstract ping(): Promise<void>;
  abstract close(): Promise<void>;
}
