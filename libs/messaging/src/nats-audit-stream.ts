import { AUDIT_STREAMS, eventSubject, type AuditStreamName, type CloudEvent } from '@countersign/contracts';
import { UnavailableError, type Logger } from '@countersign/platform';
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { AuditStream, type ConsumeOptions, type StreamProgress } from './audit-stream';
import { within } from './deadline';
import { traceHeaders } from './nats-bus';
import { NatsConsumer } from './nats-consumer';
import type { NatsLink } from './nats-link';

/** The whole answer has a second; a lost acknowledgement must leave time to say so. */
const ACK_TIMEOUT_MS = 800;
const PING_TIMEOUT_MS = 450;

/** The audit streams in JetStream; `provisionStreams` makes them, this never does. */
export class NatsAuditStream extends AuditStream {
  private readonly consumers: NatsConsumer[] = [];
  private clients: { connection: NatsConnection; publisher: JetStreamClient; manager: JetStreamManager } | undefined;

  constructor(
    private readonly link: NatsLink,
    private readonly logger: Logger,
  ) {
    super();
    link.join();
  }

  async append(stream: AuditStreamName, event: CloudEvent): Promise<void> {
    const connection = this.link.connection();
    try {
      const { publisher } = await this.clientsOf(connection);
      await publisher.publish(eventSubject(stream, event.type), JSON.stringify(event), {
        msgID: event.id,
        timeout: ACK_TIMEOUT_MS,
        headers: traceHeaders(),
        expect: { streamName: AUDIT_STREAMS[stream].name },
      });
    } catch (cause) {
      throw new UnavailableError('audit-stream', { cause });
    }
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
      const { manager } = await this.clientsOf(connection);
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
      };
    } catch (cause) {
      throw new UnavailableError('audit-stream', { cause });
    }
  }

  /** Fails while the trail's stream does not exist: nothing could be recorded. */
  async ping(): Promise<void> {
    const connection = this.link.connection();
    try {
      const { manager } = await this.clientsOf(connection);
      await within(PING_TIMEOUT_MS, manager.streams.info(AUDIT_STREAMS.audit.name));
    } catch (cause) {
      throw new UnavailableError('audit-stream', { cause });
    }
  }

  /** Lets the handlers finish their batches. */
  async close(): Promise<void> {
    await Promise.all(this.consumers.map((consumer) => consumer.stop()));
    await this.link.leave();
  }

  private async clientsOf(
    connection: NatsConnection,
  ): Promise<{ publisher: JetStreamClient; manager: JetStreamManager }> {
    if (this.clients?.connection === connection) return this.clients;
    // Without `checkAPI: false` a service would need permission to read the account.
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: ACK_TIMEOUT_MS });
    this.clients = { connection, manager, publisher: jetstream(connection, { timeout: ACK_TIMEOUT_MS }) };
    return this.clients;
  }
}
