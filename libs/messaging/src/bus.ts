import type { AnnouncementContract, RequestContract } from '@countersign/contracts';
import type { CarriedTrace, Resource, Trace } from '@countersign/platform';

/** Answers a request; `carried` is the trace of its asker, for `traceFromHeaders` where one is needed. */
export type RequestHandler<In, Out> = (input: In, carried: CarriedTrace) => Promise<Out> | Out;

/**
 * How services talk: requests that one replica answers, announcements that every replica hears. The trace that a
 * request is made in travels along; announcements have none. Two implementations: over NATS, and within one process for
 * the embedded mode.
 */
export abstract class Bus implements Resource {
  /**
   * Asks, and waits at most `contract.timeoutMs`.
   * @throws UnavailableError when nobody answers in time, the answerer failed, or the connection is down
   */
  abstract request<In, Out>(contract: RequestContract<In, Out>, input: In, trace?: Trace): Promise<Out>;

  /** Answers requests; replicas share the work. What the handler throws reaches the asker as UnavailableError only. */
  abstract serve<In, Out>(contract: RequestContract<In, Out>, handler: RequestHandler<In, Out>): void;

  /** Tells every subscribed replica; best effort, never waits for them. */
  abstract publish<T>(contract: AnnouncementContract<T>, payload: T): void;

  /** Hears announcements, on every replica; a handler that throws is logged and harms nothing. */
  abstract subscribe<T>(contract: AnnouncementContract<T>, handler: (payload: T) => Promise<void> | void): void;

  abstract ping(): Promise<void>;
  abstract close(): Promise<void>;
}
