/** The time, to be replaced in tests that move it. */
export class Clock {
  /** Epoch milliseconds. */
  now(): number {
    return Date.now();
  }
}
