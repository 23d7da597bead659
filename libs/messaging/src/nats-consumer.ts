import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { AUDIT_STREAMS } from '@countersign/contracts';
import type { Logger } from '@countersign/platform';
import {
  AckPolicy,
  DeliverPolicy,
  jetstreamManager,
  type Consumer,
  type ConsumerMessages,
  type JsMsg,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { ConsumeOptions, StreamedEvent } from './audit-stream';
import type { NatsLink } from './nats-link';
import { unpackEvents } from './unpack-events';

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
/** Of a backlog, at most this many are in memory at a time: each may hold many events. */
const MOST_MESSAGES = 100;

/**
 * The next batch begins so much later for each event of one, and at most so much later: they are large when much comes,
 * and prompt when little does.
 */
const LATER_FOR_EACH_MS = 10;
const BATCH_EVERY_MS = 100;

interface ReadMessage {
  message: JsMsg;
  /** None where nothing in it is an event and nothing stands in: it is put aside. */
  events: StreamedEvent[];
}

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
    const most = Math.min(this.options.batchSize, MOST_MESSAGES);
    while (!this.stopped) {
      const started = performance.now();
      // Fetched rather than streamed: no more is taken ahead than one batch, and nothing after `stop()`.
      const messages = await consumer.fetch({ max_messages: most, expires: FETCH_MS });
      this.messages = messages;
      if (this.stopped) messages.stop();
      let count = 0;
      for await (const batch of batches(messages, most)) {
        count += batch.length;
        await this.take(batch);
      }
      if (count === 0 && performance.now() - started < FETCH_MS / 2) await this.assertThere(consumer);
    }
  }

  private async take(batch: JsMsg[]): Promise<void> {
    this.busy = true;
    const started = performance.now();
    let events = 0;
    for (const part of parts(this.readEach(batch), this.options.batchSize)) {
      events += part.reduce((sum, read) => sum + read.events.length, 0);
      if (this.stopped) giveBack(part, GIVE_BACK_MS);
      else await this.deliver(part);
    }
    const rest = started + Math.min(BATCH_EVERY_MS, events * LATER_FOR_EACH_MS) - performance.now();
    // While busy: what comes meanwhile is taken by the next batch, or given back.
    if (rest > 0 && !this.stopped) await delay(rest, undefined, this.untilStopped).catch(() => undefined);
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

  private async deliver(part: ReadMessage[]): Promise<void> {
    const messages = part.map(({ message }) => message);
    const events = part.flatMap((read) => read.events);
    const working = setInterval(() => messages.forEach((message) => message.working()), STILL_WORKING_MS);
    const { batchSize, handler, stream, durable } = this.options;
    try {
      // More than one round only for a message that has more events than a batch.
      for (let from = 0; from < events.length; from += batchSize) await handler(events.slice(from, from + batchSize));
      messages.forEach((message) => message.ack());
      this.failures = 0;
    } catch (error) {
      this.failures += 1;
      this.logger.error('batch not handled, it comes again', { stream, durable, size: events.length, error });
      giveBack(part, pauseAfter(this.failures));
      await this.pause();
    } finally {
      clearInterval(working);
    }
  }

  /** What is no event will never be one: something stands in for it, or it is put aside; else it would come for ever. */
  private read(message: JsMsg): ReadMessage {
    const { stream, durable, standIn } = this.options;
    const { seq: streamSequence, subject: natsSubject, time: storedAt } = message;
    const unpacked = unpackEvents(message.data);
    if (unpacked.some((item) => 'unreadable' in item))
      this.logger.error('a message is not an event', { stream, durable, streamSequence });
    const events = unpacked.flatMap((item) => {
      if ('event' in item) return { event: item.event, streamSequence };
      if (standIn === undefined) return [];
      return { event: standIn({ streamSequence, natsSubject, bytes: item.unreadable, storedAt }), streamSequence };
    });
    return { message, events };
  }

  /** One after the other, so that of many large ones few are unpacked at a time. */
  private *readEach(batch: JsMsg[]): Generator<ReadMessage> {
    for (const message of batch) yield this.read(message);
  }

  private get untilStopped(): { signal: AbortSignal } {
    return { signal: this.stopping.signal };
  }

  private pause(): Promise<void> {
    if (this.stopped) return Promise.resolve();
    return delay(pauseAfter(this.failures), undefined, this.untilStopped).catch(() => undefined);
  }
}

/** To be delivered again, here or to another replica. */
function giveBack(part: ReadMessage[], afterMs: number): void {
  for (const { message } of part) message.nak(afterMs);
}

/** Messages that are handled and acknowledged together: of at most `size` events, or one message. */
function* parts(messages: Iterable<ReadMessage>, size: number): Generator<ReadMessage[]> {
  let part: ReadMessage[] = [];
  let count = 0;
  for (const read of messages) {
    if (part.length > 0 && count + read.events.length > size) {
      yield part;
      [part, count] = [[], 0];
    }
    part.push(read);
    count += read.events.length;
  }
  if (part.length > 0) yield part;
}

/** What has arrived, at most `size` at a time; the first is waited for, the others are not. */
async function* batches(messages: AsyncIterable<JsMsg>, size: number): AsyncGenerator<JsMsg[]> {
  const arrived: JsMsg[] = [];
  let isOpen = true;
  let wake = (): void => undefined;
  // While a batch is handled as well: when heartbeats are missed, what is still in `messages` is dropped, and would
  // come again only after its time has run out.
  const reading = (async () => {
    try {
      for await (const message of messages) {
        arrived.push(message);
        wake();
      }
    } finally {
      isOpen = false;
      wake();
    }
  })();
  reading.catch(() => undefined);
  for (;;) {
    if (arrived.length === 0 && isOpen) await new Promise<void>((resolve) => (wake = resolve));
    if (arrived.length === 0) return await reading;
    let before: number;
    do {
      before = arrived.length;
      await setImmediate();
    } while (arrived.length > before && arrived.length < size);
    yield arrived.splice(0, size);
  }
}
