import type { AnnouncementContract, RequestContract } from '@countersign/contracts';
import { UnavailableError, type Logger, type Trace } from '@countersign/platform';
import { answerMessage } from './answer-message';
import { Bus, type RequestHandler } from './bus';
import { within } from './deadline';
import { ownerOf, readAnnouncement, readReply, writeAnnouncement, writeItem, writeRequest } from './envelope';

/** Takes the text of a request, answers with the text of a reply. */
type Server = (text: string) => Promise<string>;
type Listener = (text: string) => Promise<void>;

const append = <T>(map: Map<string, T[]>, key: string, value: T): void =>
  void map.set(key, [...(map.get(key) ?? []), value]);

/**
 * The bus within one process, for the embedded mode. Messages go through the same envelopes as over NATS, so that
 * what works here works there: nothing is shared between the two sides but text.
 */
export class InProcessBus extends Bus {
  private readonly servers = new Map<string, Server[]>();
  private readonly listeners = new Map<string, Listener[]>();
  private turn = 0;
  private malformed = 0;
  private closed = false;

  constructor(private readonly logger: Logger) {
    super();
  }

  async request<In, Out>(contract: RequestContract<In, Out>, input: In, trace?: Trace): Promise<Out> {
    const { natsSubject, timeoutMs } = contract;
    const unavailable = (problem: string): UnavailableError =>
      new UnavailableError(ownerOf(natsSubject), { cause: new Error(`${natsSubject}: ${problem}`) });
    const servers = this.servers.get(natsSubject) ?? [];
    const server = servers[this.turn++ % servers.length];
    if (server === undefined || this.closed) throw unavailable('nobody answers');
    const { id, text } = writeRequest(writeItem(input, trace));
    const replyText = await within(timeoutMs, server(text)).catch((error: unknown) => {
      throw unavailable(error instanceof Error ? error.message : 'failed');
    });
    const reply = readReply(contract, id, replyText);
    if (!reply.ok) throw unavailable(reply.problem);
    return reply.value;
  }

  serve<In, Out>(contract: RequestContract<In, Out>, handler: RequestHandler<In, Out>): void {
    const { natsSubject } = contract;
    const noteMalformed = (problem: string): void => this.noteMalformed(natsSubject, problem);
    const answering = { contract, handler, logger: this.logger, maxBytes: Infinity, noteMalformed };
    append(this.servers, natsSubject, (text: string) => answerMessage(text, answering));
  }

  publish<T>(contract: AnnouncementContract<T>, payload: T): void {
    const { natsSubject } = contract;
    const text = writeAnnouncement(payload);
    for (const listener of this.listeners.get(natsSubject) ?? []) {
      setImmediate(() => void listener(text));
    }
  }

  subscribe<T>(contract: AnnouncementContract<T>, handler: (payload: T) => Promise<void> | void): void {
    const { natsSubject } = contract;
    append(this.listeners, natsSubject, async (text: string) => {
      const payload = readAnnouncement(contract, text);
      try {
        if (!payload.ok) this.noteMalformed(natsSubject, payload.problem);
        else if (!this.closed) await handler(payload.value);
      } catch (error) {
        this.logger.error('message not handled', { natsSubject, error });
      }
    });
  }

  async ping(): Promise<void> {
    if (this.closed) throw new UnavailableError('nats');
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  private noteMalformed(natsSubject: string, problem: string): void {
    this.malformed += 1;
    this.logger.warn('malformed message', { natsSubject, problem, malformedSoFar: this.malformed });
  }
}
