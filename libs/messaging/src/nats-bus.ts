import { setTimeout as delay } from 'node:timers/promises';
import type { AnnouncementContract, RequestContract } from '@countersign/contracts';
import {
  currentTrace,
  runInTrace,
  traceFromHeaders,
  traceparent,
  UnavailableError,
  type Logger,
} from '@countersign/platform';
import { headers, type Msg, type MsgHdrs, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { Bus } from './bus';
import { within } from './deadline';
import {
  NO_ID,
  ownerOf,
  readAnnouncement,
  readReply,
  readRequest,
  writeAnnouncement,
  writeErrorReply,
  writeReply,
  writeRequest,
} from './envelope';
import type { NatsLink } from './nats-link';

/** How long `close()` waits for handlers. */
const FINISH_MS = 10_000;
/** Within a second anyway, with what else a caller waits for. */
const SHORT_MS = 800;
/** When an answer may take longer: how often we look whether the server is still there. */
const PATIENCE_MS = 500;

/** The trace of the work at hand, as headers of a message. */
export function traceHeaders(): MsgHdrs {
  const trace = currentTrace();
  const result = headers();
  result.set('traceparent', traceparent(trace));
  result.set('x-request-id', trace.requestId);
  return result;
}

/** Runs work within the trace that a message came with. */
function inTraceOf<T>(message: Msg, work: () => T): T {
  const trace = traceFromHeaders(message.headers?.get('traceparent'), message.headers?.get('x-request-id'));
  return runInTrace(trace, work);
}

/** The bus over NATS: requests go to one replica of a queue group, announcements to all. */
export class NatsBus extends Bus {
  private readonly subscriptions: Subscription[] = [];
  private readonly running = new Set<Promise<void>>();
  private closed = false;
  private malformed = 0;

  constructor(
    private readonly link: NatsLink,
    private readonly logger: Logger,
  ) {
    super();
    link.join();
  }

  async request<In, Out>(contract: RequestContract<In, Out>, input: In): Promise<Out> {
    const { natsSubject, timeoutMs } = contract;
    const connection = this.link.connection();
    const { id, text } = writeRequest(input);
    const unavailable = (cause: unknown): UnavailableError => new UnavailableError(ownerOf(natsSubject), { cause });
    const asked = new AbortController();
    let message: Msg;
    try {
      const answer = connection.request(natsSubject, text, { timeout: timeoutMs, headers: traceHeaders() });
      message = await (timeoutMs > SHORT_MS ? Promise.race([answer, this.lostLink(asked.signal)]) : answer);
    } catch (error) {
      throw unavailable(error);
    } finally {
      asked.abort();
    }
    const reply = readReply(contract, id, message.string());
    if (!reply.ok) throw unavailable(new Error(`${natsSubject}: ${reply.problem}`));
    return reply.value;
  }

  serve<In, Out>(contract: RequestContract<In, Out>, handler: (input: In) => Promise<Out> | Out): void {
    const { natsSubject } = contract;
    this.listen(natsSubject, ownerOf(natsSubject), async (message, connection) => {
      const request = readRequest(contract, message.string());
      if (!request.ok) {
        this.noteMalformed(natsSubject, request.problem);
        message.respond(writeErrorReply(NO_ID, 'malformed'));
        return;
      }
      const { id, input } = request.value;
      message.respond(await this.answer(connection, natsSubject, id, () => handler(input)));
    });
  }

  publish<T>(contract: AnnouncementContract<T>, payload: T): void {
    try {
      this.link.connection().publish(contract.natsSubject, writeAnnouncement(payload), { headers: traceHeaders() });
    } catch (error) {
      this.logger.warn('announcement not sent', { natsSubject: contract.natsSubject, reason: String(error) });
    }
  }

  subscribe<T>(contract: AnnouncementContract<T>, handler: (payload: T) => Promise<void> | void): void {
    this.listen(contract.natsSubject, undefined, async (message) => {
      const payload = readAnnouncement(contract, message.string());
      if (payload.ok) await handler(payload.value);
      else this.noteMalformed(contract.natsSubject, payload.problem);
    });
  }

  ping(): Promise<void> {
    return this.link.ping();
  }

  /** Stops listening and lets the handlers finish what has arrived. */
  async close(): Promise<void> {
    this.closed = true;
    const open = this.subscriptions.filter((subscription) => !subscription.isClosed());
    // Draining needs the server's answer; without a connection there is nothing left to arrive.
    await this.link.ping().then(
      () => Promise.allSettled(open.map((subscription) => subscription.drain())),
      () => open.forEach((subscription) => subscription.unsubscribe()),
    );
    await within(FINISH_MS, Promise.allSettled(this.running)).catch(() => undefined);
    await this.link.leave();
  }

  /** Subscriptions outlive lost connections; before the first one they wait for it. */
  private listen(
    natsSubject: string,
    queue: string | undefined,
    hear: (message: Msg, connection: NatsConnection) => Promise<void>,
  ): void {
    const failed = (error: unknown): void => this.logger.error('message not handled', { natsSubject, error });
    const subscribe = (connection: NatsConnection): void => {
      if (this.closed) return;
      const callback = (error: Error | null, message: Msg): void => {
        if (error === null) this.run(inTraceOf(message, () => hear(message, connection)).catch(failed));
        else this.logger.error('subscription refused', { natsSubject, error });
      };
      this.subscriptions.push(
        connection.subscribe(natsSubject, { callback, ...(queue === undefined ? {} : { queue }) }),
      );
    };
    this.link.onceConnected(subscribe);
  }

  /** Rejects when the server itself stops answering: then an answer that may take long is not worth the wait. */
  private async lostLink(done: AbortSignal): Promise<never> {
    for (;;) {
      await delay(PATIENCE_MS, undefined, { signal: done });
      await this.link.ping();
    }
  }

  private run(work: Promise<void>): void {
    this.running.add(work);
    void work.finally(() => this.running.delete(work));
  }

  /** Never rejects: what went wrong here is for our log, the asker learns only that it failed. */
  private async answer(
    connection: NatsConnection,
    natsSubject: string,
    id: string,
    work: () => unknown,
  ): Promise<string> {
    try {
      const reply = writeReply(id, await work());
      const limit = connection.info?.max_payload ?? Infinity;
      if (Buffer.byteLength(reply) < limit) return reply;
      this.logger.error('reply larger than NATS allows', { natsSubject, limit });
      return writeErrorReply(id, 'too_large');
    } catch (error) {
      this.logger.error('request failed', { natsSubject, error });
      return writeErrorReply(id, 'failed');
    }
  }

  private noteMalformed(natsSubject: string, problem: string): void {
    this.malformed += 1;
    this.logger.warn('malformed message', { natsSubject, problem, malformedSoFar: this.malformed });
  }
}
