import type { AuditStreamName, CloudEvent } from '@countersign/contracts';
import type { Resource } from '@countersign/platform';

/** An event with its place in its stream, as a consumer gets it. */
export interface StreamedEvent {
  event: CloudEvent;
  /** The number of its message, which starts at 1 and leaves none out; events of one message have the same. */
  streamSequence: number;
}

/** What came over a stream, in a message or a place of one, and is no event. */
export interface UnreadableMessage {
  streamSequence: number;
  natsSubject: string;
  bytes: Uint8Array;
  storedAt: Date;
}

/** How far a durable consumer is in its stream, whose numbers leave none out. */
export interface StreamProgress {
  /** When the stream was made, RFC 3339: of one that was deleted and made anew it is another. */
  createdAt: string;
  /** The newest number of the stream. */
  last: number;
  /** The newest one that was handed out. */
  delivered: number;
  /** Each event up to here was acknowledged, or is gone from the stream: none of them comes any more. */
  settled: number;
  /** What the stream takes of its storage. */
  bytes: number;
}

export interface ConsumeOptions {
  stream: AuditStreamName;
  /** Name under which the place in the stream is remembered; replicas with the same name share the work. */
  durable: string;
  /** At most this many events a batch. */
  batchSize: number;
  /** Resolves when the batch is safe elsewhere: it is acknowledged then. Rejects: it comes again, after a pause. */
  handler: (batch: StreamedEvent[]) => Promise<void>;
  /** The event to hand on in the place of what is none: it is acknowledged with its batch. Without it: put aside. */
  standIn?: (message: UnreadableMessage) => CloudEvent;
}

/** The durable streams of audit events: what was acknowledged is delivered to every durable consumer at least once. */
export abstract class AuditStream implements Resource {
  /**
   * Appends an event and waits for the acknowledgement. The same `event.id` again may be delivered again: go by it.
   * @throws UnavailableError when it was not acknowledged: it may or may not have been stored
   */
  abstract append(stream: AuditStreamName, event: CloudEvent): Promise<void>;

  /** Starts consuming; returns at once and goes on, through lost connections, until `close()`. */
  abstract consume(options: ConsumeOptions): void;

  /**
   * How far a consumer is; null where numbers may be left out (PostgreSQL's, in the embedded mode), so that nothing
   * follows from a missing one.
   * @throws UnavailableError
   */
  progress(_stream: AuditStreamName, _durable: string): Promise<StreamProgress | null> {
    return Promise.resolve(null);
  }

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
