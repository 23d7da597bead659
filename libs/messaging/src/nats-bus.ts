import type { AnnouncementContract, RequestContract } from '@countersign/contracts';
import { Gatherer, UnavailableError, type CarriedTrace, type Logger, type Trace } from '@countersign/platform';
import { type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { answerMessage } from './answer-message';
import { Bus, type RequestHandler } from './bus';
import { within } from './deadline';
import {
  MOST_GATHERED,
  ownerOf,
  readAnnouncement,
  readGatheredReply,
  readReply,
  writeAnnouncement,
  writeGathered,
  writeItem,
  writeRequest,
} from './envelope';
import type { NatsLink } from './nats-link';
import { NatsRequests } from './nats-requests';

/** How long `close()` waits for handlers. */
const FINISH_MS = 10_000;
/** Longer than an answer takes, and no delay to speak of behind a replica that hangs. */
const PATIENCE_MS = 10;
const MOST_GATHERED_BYTES = 256 * 1024;

/** A request that gathers. */
interface Asked {
  item: string;
  /** When its caller is answered at the latest, on the clock of `performance.now()`. */
  due: number;
}

/** The trace in the headers of a request, where older versions have it. */
function traceOf({ headers: given }: Msg): CarriedTrace {
  if (given === undefined) return {};
  return { traceparent: given.get('traceparent'), requestId: given.get('x-request-id') };
}

/** The bus over NATS: requests go to one replica of a queue group, announcements to all. */
export class NatsBus extends Bus {
  private readonly subscriptions: Subscription[] = [];
  private readonly requests: NatsRequests;
  /** By NATS subject. */
  private readonly gatherers = new Map<string, Gatherer<Asked, unknown>>();
  private readonly running = new Set<Promise<void>>();
  private closed = false;
  private malformed = 0;

  constructor(
    private readonly link: NatsLink,
    private readonly logger: Logger,
  ) {
    super();
    this.requests = new NatsRequests(link);
    link.join();
  }

  async request<In, Out>(contract: RequestContract<In, Out>, input: In, trace?: Trace): Promise<Out> {
    this.link.connection();
    const item = writeItem(input, trace);
    if (contract.gathers !== true || contract.isPutOnce?.(input) === true)
      return this.askAlone(contract, item, contract.timeoutMs);
    const asked = { item, due: performance.now() + contract.timeoutMs };
    return this.gathererOf(contract).add(asked, Buffer.byteLength(item)) as Promise<Out>;
  }

  serve<In, Out>(contract: RequestContract<In, Out>, handler: RequestHandler<In, Out>): void {
    const { natsSubject } = contract;
    this.listen(natsSubject, ownerOf(natsSubject), async (message, connection) => {
      const text = await answerMessage(message.string(), {
        contract,
        handler,
        logger: this.logger,
        headers: traceOf(message),
        maxBytes: connection.info?.max_payload ?? Infinity,
        noteMalformed: (problem) => this.noteMalformed(natsSubject, problem),
      });
      message.respond(text);
    });
  }

  publish<T>(contract: AnnouncementContract<T>, payload: T): void {
    try {
      this.link.connection().publish(contract.natsSubject, writeAnnouncement(payload));
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
    await Promise.all([...this.gatherers.values()].map((gatherer) => gatherer.settled()));
    const open = this.subscriptions.filter((subscription) => !subscription.isClosed());
    // Draining needs the server's answer; without a connection there is nothing left to arrive.
    await this.link.ping().then(
      () => Promise.allSettled(open.map((subscription) => subscription.drain())),
      () => open.forEach((subscription) => subscription.unsubscribe()),
    );
    await within(FINISH_MS, Promise.allSettled(this.running)).catch(() => undefined);
    await this.link.leave();
    this.requests.close();
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
        if (error === null) this.run(hear(message, connection).catch(failed));
        else this.logger.error('subscription refused', { natsSubject, error });
      };
      this.subscriptions.push(
        connection.subscribe(natsSubject, { callback, ...(queue === undefined ? {} : { queue }) }),
      );
    };
    this.link.onceConnected(subscribe);
  }

  private gathererOf<In, Out>(contract: RequestContract<In, Out>): Gatherer<Asked, unknown> {
    const { natsSubject, timeoutMs } = contract;
    const known = this.gatherers.get(natsSubject);
    if (known !== undefined) return known;
    const gatherer = new Gatherer<Asked, unknown>({
      most: MOST_GATHERED,
      mostBytes: () => Math.min(MOST_GATHERED_BYTES, this.link.maxPayload / 2),
      patienceMs: PATIENCE_MS,
      deadline: { milliseconds: timeoutMs, late: () => unavailable(contract, `no answer within ${timeoutMs} ms`) },
      work: (asked) => this.askTogether(contract, asked),
    });
    this.gatherers.set(natsSubject, gatherer);
    return gatherer;
  }

  private async askAlone<In, Out>(contract: RequestContract<In, Out>, item: string, timeoutMs: number): Promise<Out> {
    const { id, text } = writeRequest(item);
    const reply = readReply(contract, id, await this.ask(contract, text, timeoutMs));
    if (!reply.ok) throw unavailable(contract, reply.problem);
    return reply.value;
  }

  private async askTogether<In, Out>(
    contract: RequestContract<In, Out>,
    asked: Asked[],
  ): Promise<(Out | Promise<Out>)[]> {
    const timeLeft = ({ due }: Asked): number => Math.max(1, due - performance.now());
    const alone = (one: Asked): Promise<Out> => this.askAlone(contract, one.item, timeLeft(one));
    const [first, ...others] = asked;
    if (first !== undefined && others.length === 0) return [await alone(first)];
    const { id, text } = writeGathered(asked.map(({ item }) => item));
    const answer = await this.ask(contract, text, Math.max(...asked.map(timeLeft)));
    const reply = readGatheredReply(contract, { id, count: asked.length }, answer);
    if (!reply.ok) throw unavailable(contract, reply.problem);
    return asked.map((one, place) => {
      const outcome = reply.value[place];
      if (!outcome) return alone(one);
      return outcome.ok ? outcome.value : Promise.reject(unavailable(contract, outcome.problem));
    });
  }

  private async ask<In, Out>(contract: RequestContract<In, Out>, text: string, timeoutMs: number): Promise<string> {
    try {
      return (await this.requests.send(contract.natsSubject, text, { timeoutMs })).string();
    } catch (cause) {
      throw new UnavailableError(ownerOf(contract.natsSubject), { cause });
    }
  }

  private run(work: Promise<void>): void {
    this.running.add(work);
    void work.finally(() => this.running.delete(work));
  }

  private noteMalformed(natsSubject: string, problem: string): void {
    this.malformed += 1;
    this.logger.warn('malformed message', { natsSubject, problem, malformedSoFar: this.malformed });
  }
}

const unavailable = <In, Out>({ natsSubject }: RequestContract<In, Out>, problem: string): UnavailableError =>
  new UnavailableError(ownerOf(natsSubject), { cause: new Error(`${natsSubject}: ${problem}`) });
