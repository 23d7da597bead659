import { AUDIT_STREAMS, type AuditStreamName, type CloudEvent } from '@countersign/contracts';
import { UnavailableError, type Logger } from '@countersign/platform';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { AuditStream, type ConsumeOptions, type StreamProgress } from './audit-stream';
import { within } from './deadline';
import { EventPublisher } from './event-publisher';
import { NatsConsumer } from './nats-consumer';
import type { NatsLink } from './nats-link';

const MANAGER_TIMEOUT_MS = 800;
const PING_TIMEOUT_MS = 450;

/** The audit streams in JetStream; `provisionStreams` makes them, this never does. */
export class NatsAuditStream extends AuditStream {
  private readonly consumers: NatsConsumer[] = [];
  private readonly publisher: EventPublisher;
  private known: { connection: NatsConnection; manager: JetStreamManager } | undefined;

  constructor(
    private readonly link: NatsLink,
    private readonly logger: Logger,
  ) {
    super();
    this.publisher = new EventPublisher(link);
    link.join();
  }

  append(stream: AuditStreamName, event: CloudEvent): Promise<void> {
    return this.publisher.publish(stream, event);
  }

  consume(options: ConsumeOptions): void {
    const consumer = new NatsConsumer(this.link, options, this.logger);
    this.consumers.push(consumer);
    consumer.start();
  }

  override async progress(stream: AuditStreamName, durable: string): Promise<StreamProgress> {
    const connection = this.link.connection();
    const { name } = AUDIT_STREAMS[stream];
    try {
      const manager = await this.managerOf(connection);
      // The stream first: when the consumer has nothing left, it has nothing left of what was there before.
      const { created, state } = await manager.streams.info(name);
      const { delivered, ack_floor, num_pending, num_ack_pending } = await manager.consumers.info(name, durable);
      const isDone = num_pending === 0 && num_ack_pending === 0;
      return {
        createdAt: new Date(created).toISOString(),
        last: state.last_seq,
        delivered: delivered.stream_seq,
        // What was deleted at the end moves no floor.
        settled: isDone ? state.last_seq : ack_floor.stream_seq,
        bytes: state.bytes,
      };
    } catch (cause) {
      throw new UnavailableError('audit-stream', { cause });
    }
  }

  /** Fails while the trail's stream does not exist: nothing could be recorded. */
  async ping(): Promise<void> {
    const connection = this.link.connection();
    try {
      const manager = await this.managerOf(connection);
      await within(PING_TIMEOUT_MS, manager.streams.info(AUDIT_STREAMS.audit.name));
    } catch (cause) {
      throw new UnavailableError('audit-stream', { cause });
    }
  }

  /** Lets the handlers finish their batches, and what was appended be acknowledged. */
  async close(): Promise<void> {
    await this.publisher.settled();
    await Promise.all(this.consumers.map((consumer) => consumer.stop()));
    await this.link.leave();
  }

  private async managerOf(connection: NatsConnection): Promise<JetStreamManager> {
    if (this.known?.connection === connection) return this.known.manager;
    // Without `checkAPI: false` a service would need permission to read the account.
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: MANAGER_TIMEOUT_MS });
    this.known = { connection, manager };
    return manager;
  }
}
