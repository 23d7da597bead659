import type { AuditStreamName, CloudEvent } from '@countersign/contracts';
import type { Resource } from '@countersign/platform';

/** An event with its place in its stream, as a consumer gets it. */
export interface StreamedEvent {
  event: CloudEvent;
  /** Grows by one with each event of the stream; starts at 1. */
  streamSequence: number;
}

export interface ConsumeOptions {
  stream: AuditStreamName;
  /** Name under which the place in the stream is remembered; replicas with the same name share the work. */
  durable: string;
  /** At most this many events a batch. */
  batchSize: number;
  /** Resolves when the batch is safe elsewhere: it is acknowledged then. Rejects: it comes again, after a pause. */
  handler: (batch: StreamedEvent[]) => Promise<void>;
}

/** The durable streams of audit events: what was acknowledged is delivered to every durable consumer at least once. */
export abstract class AuditStream implements Resource {
  /**
   * Appends an event and waits for the acknowledgement. The same `event.id` again is not stored twice.
   * @throws UnavailableError when it was not acknowledged: it may or may not have been stored
   */
  abstract append(stream: AuditStreamName, event: CloudEvent): Promise<void>;

  /** Starts consuming; returns at once and goes on, through lost connections, until `close()`. */
  abstract consume(options: ConsumeOptions): void;

  /**
   * Deletes the events of the trail that every consumer has had, where we may: from NATS nobody deletes, and a stream
   * there has an age at which its events go, or keeps them.
   * @throws UnavailableError
   */
  dropConsumed(): Promise<void> {
    return Promise.resolve();
  }

  abstract ping(): Promise<void>;
  abstract close(): Promise<void>;
}
