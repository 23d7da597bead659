/**
 * Counts failures per key (a source address) in a fixed window. Reading costs nothing; only failures are counted,
 * so that honest traffic behind one address is never limited. In Redis, shared by all replicas, with a local
 * fallback while Redis is away; in memory in the embedded mode. Never throws.
 */
export abstract class FailureLimiter {
  /** Seconds until the key may try again; 0 while it is within its budget. */
  abstract blockedFor(key: string): Promise<number>;

  /** Counts one failure. */
  abstract count(key: string): Promise<void>;
}
