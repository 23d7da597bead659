import type { AnnouncementContract, RequestContract } from '@countersign/contracts';
import type { Resource } from '@countersign/platform';

/**
 * How services talk: requests that one replica answers, announcements that every replica hears. The trace of the
 * caller travels along. Two implementations: over NATS, and within one process for the embedded mode.
 */
export abstract class Bus implements Resource {
  /**
   * Asks, and waits at most `contract.timeoutMs`.
   * @throws UnavailableError when nobody answers in time, the answerer failed, or the connection is down
   */
  abstract request<In, Out>(contract: RequestContract<In, Out>, input: In): Promise<Out>;

  /** Answers requests; replicas share the work. What the handler throws reaches the asker as UnavailableError only. */
  abstract serve<In, Out>(contract: RequestContract<In, Out>, handler: (input: In) => Promise<Out> | Out): void;

  /** Tells every subscribed replica; best effort, never waits for them. */
  abstract publish<T>(contract: AnnouncementContract<T>, payload: T): void;

  /** Hears announcements, on every replica; a handler that throws is logged and harms nothing. */
  abstract subscribe<T>(contract: AnnouncementContract<T>, handler: (payload: T) => Promise<void> | void): void;

  abstract ping(): Promise<void>;
  abstract close(): Promise<void>;
}
