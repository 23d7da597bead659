/** Time that never jumps, in milliseconds; only differences mean anything. Tests put their own in its place. */
export class MonotonicClock {
  now(): number {
    return performance.now();
  }
}
