import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { AUDIT_STREAMS, cloudEventSchema, type CloudEvent } from '@countersign/contracts';
import { traceFromHeaders, runInTrace, type Logger } from '@countersign/platform';
import {
  AckPolicy,
  DeliverPolicy,
  jetstreamManager,
  type Consumer,
  type ConsumerMessages,
  type JsMsg,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { z } from 'zod';
import type { ConsumeOptions, StreamedEvent } from './audit-stream';
import type { NatsLink } from './nats-link';

const ACK_WAIT_MS = 30_000;
/** A batch in work is kept from being delivered elsewhere. */
const STILL_WORKING_MS = 10_000;
const FIRST_PAUSE_MS = 250;
/** At once would be into our own last request. */
const GIVE_BACK_MS = 300;
const LONGEST_PAUSE_MS = 3_000;
const MAX_ACK_PENDING = 2_000;
/** How long a request for messages stays open; a lost one is noticed after it. */
const FETCH_MS = 1_000;

/** A type that this version does not know yet is delivered too: during an upgrade the new comes before the old goes. */
const looseEvent = cloudEventSchema.extend({ type: z.string() });

const pauseAfter = (failures: number): number =>
  Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 8));

/** One durable pull consumer: batches of what has arrived, acknowledged when the handler has resolved. */
export class NatsConsumer {
  private readonly stopping = new AbortController();
  private messages: ConsumerMessages | undefined;
  private finished: Promise<void> = Promise.resolve();
  private failures = 0;
  private busy = false;

  constructor(
    private readonly link: NatsLink,
    private readonly options: ConsumeOptions,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.finished = this.run();
  }

  /** Resolves when the batch in work is acknowledged or given back. */
  async stop(): Promise<void> {
    this.stopping.abort();
    if (!this.busy) this.messages?.stop();
    // A consumer that waits for its first connection has nothing to finish.
    if (this.messages !== undefined) await this.finished;
  }

  private get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  /** From opening to opening: a lost stream or consumer ends `consumeAll`, and both may come back. */
  private async run(): Promise<void> {
    const { stream, durable } = this.options;
    while (!this.stopped) {
      try {
        await this.consumeAll();
      } catch (error) {
        this.failures += 1;
        if (!this.stopped) this.logger.warn('cannot consume', { stream, durable, reason: String(error) });
      }
      await this.pause();
    }
  }

  private async consumeAll(): Promise<void> {
    const consumer = await this.open();
    while (!this.stopped) {
      const started = performance.now();
      // Fetched rather than streamed: no more is taken ahead than one batch, and nothing after `stop()`.
      const messages = await consumer.fetch({ max_messages: this.options.batchSize, expires: FETCH_MS });
      this.messages = messages;
      if (this.stopped) messages.stop();
      let count = 0;
      for await (const batch of batches(messages, this.options.batchSize)) {
        count += batch.length;
        await this.take(batch);
      }
      if (count === 0 && performance.now() - started < FETCH_MS / 2) await this.assertThere(consumer);
    }
  }

  private async take(batch: JsMsg[]): Promise<void> {
    this.busy = true;
    if (this.stopped) giveBack(batch, GIVE_BACK_MS);
    else await this.deliver(batch);
    this.busy = false;
    // Only after what has arrived is given back: it would wait for its time to run out.
    if (this.stopped) void setImmediate().then(() => this.messages?.stop());
  }

  /** Makes the durable consumer when it is missing; its place in the stream is kept by the server. */
  private async open(): Promise<Consumer> {
    const { stream, durable } = this.options;
    const { name } = AUDIT_STREAMS[stream];
    const connection = await this.link.whenConnected();
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: 2_000 });
    await manager.consumers.add(name, {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: nanos(ACK_WAIT_MS),
      max_ack_pending: MAX_ACK_PENDING,
      max_deliver: -1,
    });
    return manager.jetstream().consumers.get(name, durable);
  }

  /** A fetch that ends early and empty: the consumer is gone, or the connection is. Both are for `run` to try again. */
  private async assertThere(consumer: Consumer): Promise<void> {
    await consumer.info();
    await this.pause();
  }

  private async deliver(messages: JsMsg[]): Promise<void> {
    const readable: JsMsg[] = [];
    const events: StreamedEvent[] = [];
    for (const message of messages) {
      const event = this.read(message);
      if (event === undefined) continue;
      readable.push(message);
      events.push({ event, streamSequence: message.seq });
    }
    if (events.length === 0) return;
    const working = setInterval(() => readable.forEach((message) => message.working()), STILL_WORKING_MS);
    try {
      await inTraceOf(readable, () => this.options.handler(events));
      readable.forEach((message) => message.ack());
      this.failures = 0;
    } catch (error) {
      this.failures += 1;
      const { stream, durable } = this.options;
      this.logger.error('batch not handled, it comes again', { stream, durable, size: events.length, error });
      giveBack(readable, pauseAfter(this.failures));
      await this.pause();
    } finally {
      clearInterval(working);
    }
  }

  /** What is no event will never be one: something stands in for it, or it is put aside; else it would come for ever. */
  private read(message: JsMsg): CloudEvent | undefined {
    try {
      return looseEvent.parse(message.json()) as CloudEvent;
    } catch {
      const { stream, durable, standIn } = this.options;
      const { seq: streamSequence, subject: natsSubject, data: bytes, time: storedAt } = message;
      this.logger.error('a message is not an event', { stream, durable, streamSequence });
      if (standIn !== undefined) return standIn({ streamSequence, natsSubject, bytes, storedAt });
      message.term();
      return undefined;
    }
  }

  private pause(): Promise<void> {
    if (this.stopped) return Promise.resolve();
    return delay(pauseAfter(this.failures), undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}

/** To be delivered again, here or to another replica. */
function giveBack(messages: JsMsg[], afterMs: number): void {
  for (const message of messages) message.nak(afterMs);
}

/** A batch of one goes on in the trace that its event was published in. */
function inTraceOf<T>(messages: JsMsg[], work: () => T): T {
  const [first, ...others] = messages;
  if (first === undefined || others.length > 0) return work();
  const { headers } = first;
  return runInTrace(traceFromHeaders(headers?.get('traceparent'), headers?.get('x-request-id')), work);
}

const nothingMore = Symbol();

/** What has arrived, at most `size` at a time; the first is waited for, the others are not. */
async function* batches(messages: AsyncIterable<JsMsg>, size: number): AsyncGenerator<JsMsg[]> {
  const iterator = messages[Symbol.asyncIterator]();
  let next = iterator.next();
  for (;;) {
    const batch: JsMsg[] = [];
    let result: IteratorResult<JsMsg> | typeof nothingMore = await next;
    while (result !== nothingMore && result.done !== true) {
      batch.push(result.value);
      next = iterator.next();
      if (batch.length === size) break;
      result = await Promise.race([next, setImmediate(nothingMore)]);
    }
    if (batch.length > 0) yield batch;
    else return;
  }
}
