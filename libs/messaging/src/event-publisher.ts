import { createHash } from 'node:crypto';
import { AUDIT_STREAMS, eventSubject, type AuditStreamName, type CloudEvent } from '@countersign/contracts';
import { Gatherer, UnavailableError } from '@countersign/platform';
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import type { NatsLink } from './nats-link';
import { NatsRequests } from './nats-requests';

/** The whole answer has a second; a lost acknowledgement must leave time to say so. */
const ACK_TIMEOUT_MS = 800;
/** As long as a slow disk takes: each message costs the server a write. */
const PATIENCE_MS = 50;
const MOST_EVENTS = 64;
const MOST_BYTES = 256 * 1024;

interface Published {
  event: CloudEvent;
  text: string;
}

/** Publishes events to JetStream; those of one NATS subject that come while one is published go in one message. */
export class EventPublisher {
  private readonly requests: NatsRequests;
  /** By NATS subject. */
  private readonly gatherers = new Map<string, Gatherer<Published, void>>();

  constructor(private readonly link: NatsLink) {
    this.requests = new NatsRequests(link);
  }

  /** Resolves when the message with the event is acknowledged. @throws UnavailableError */
  async publish(stream: AuditStreamName, event: CloudEvent): Promise<void> {
    this.link.connection();
    const text = JSON.stringify(event);
    await this.gathererOf(stream, event).add({ event, text }, Buffer.byteLength(text));
  }

  /** Resolves when nothing is on its way any more. */
  async settled(): Promise<void> {
    await Promise.all([...this.gatherers.values()].map((gatherer) => gatherer.settled()));
  }

  private gathererOf(stream: AuditStreamName, { type }: CloudEvent): Gatherer<Published, void> {
    const natsSubject = eventSubject(stream, type);
    const known = this.gatherers.get(natsSubject);
    if (known !== undefined) return known;
    const gatherer = new Gatherer<Published, void>({
      most: MOST_EVENTS,
      mostBytes: () => Math.min(MOST_BYTES, this.link.maxPayload / 2),
      patienceMs: PATIENCE_MS,
      deadline: {
        milliseconds: ACK_TIMEOUT_MS,
        late: () =>
          new UnavailableError('audit-stream', { cause: new Error(`${natsSubject}: not acknowledged in time`) }),
      },
      work: (published) => this.send(stream, natsSubject, published),
    });
    this.gatherers.set(natsSubject, gatherer);
    return gatherer;
  }

  private async send(stream: AuditStreamName, natsSubject: string, published: Published[]): Promise<void[]> {
    // An event that is appended twice at once is in its message once.
    const events = [...new Map(published.map((one) => [one.event.id, one])).values()];
    const { name } = AUDIT_STREAMS[stream];
    const text = bodyOf(events);
    try {
      const ack = await this.requests.send(natsSubject, text, {
        timeoutMs: ACK_TIMEOUT_MS,
        headers: headersOf(name, events),
      });
      assertStored(ack.string(), name);
    } catch (cause) {
      throw cause instanceof UnavailableError ? cause : new UnavailableError('audit-stream', { cause });
    }
    return published.map(() => undefined);
  }
}

/** One event as it is, several as a list: the JSON and the JSON batch format of CloudEvents 1.0. */
function bodyOf(events: Published[]): string {
  const [only] = events;
  if (events.length === 1 && only !== undefined) return only.text;
  return `[${events.map(({ text }) => text).join(',')}]`;
}

/** The trace of one event; several have theirs in themselves. */
function headersOf(streamName: string, events: Published[]): MsgHdrs {
  const result = headers();
  const [first, ...others] = events;
  result.set('Nats-Expected-Stream', streamName);
  result.set('Nats-Msg-Id', messageId(events));
  if (others.length > 0) {
    result.set('content-type', 'application/cloudevents-batch+json');
  } else if (first !== undefined) {
    result.set('content-type', 'application/cloudevents+json');
    const { traceparent, data } = first.event;
    if (traceparent !== undefined) result.set('traceparent', traceparent);
    if (typeof data['requestId'] === 'string') result.set('x-request-id', data['requestId']);
  }
  return result;
}

/** By which JetStream knows a message that it has: the id of its event, or one for just these. */
function messageId(events: Published[]): string {
  const [first, ...others] = events;
  if (first !== undefined && others.length === 0) return first.event.id;
  const ids = events.map(({ event }) => event.id);
  return createHash('sha256').update(JSON.stringify(ids)).digest('base64url');
}

/** The answer of JetStream (PubAck) must say that the stream has it. */
function assertStored(text: string, streamName: string): void {
  const ack = JSON.parse(text) as { stream?: unknown; error?: { description?: unknown } };
  if (ack.error !== undefined) throw new Error(`refused: ${String(ack.error.description)}`);
  if (ack.stream !== streamName) throw new Error('not stored in the stream of the audit events');
}
