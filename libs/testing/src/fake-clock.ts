/** A clock that stands until it is moved. Give `clock.seconds` or `clock.milliseconds` to what wants a clock. */
export interface FakeClock {
  /** Epoch seconds, whole. */
  seconds: () => number;
  milliseconds: () => number;
  date: () => Date;
  advance(seconds: number): void;
  /** Sets it to epoch seconds, backwards too. */
  set(seconds: number): void;
}

/** Starts at epoch seconds: 2026-01-01T00:00:00Z unless given. */
export function fakeClock(start = 1_767_225_600): FakeClock {
  let now = start * 1000;
  return {
    seconds: () => Math.floor(now / 1000),
    milliseconds: () => now,
    date: () => new Date(now),
    advance: (seconds) => void (now += seconds * 1000),
    set: (seconds) => void (now = seconds * 1000),
  };
}
