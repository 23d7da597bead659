import { setTimeout as delay } from 'node:timers/promises';
import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import type { NatsLink } from './nats-link';

/** An answer is waited for within a second anyway, with what else a caller waits for. */
const SHORT_MS = 800;
/** When an answer may take longer: how often we look whether the server is still there. */
const LOOK_MS = 500;

interface Asked {
  resolve: (reply: Msg) => void;
  reject: (error: unknown) => void;
  isLong: boolean;
}

export interface SendOptions {
  timeoutMs: number;
  headers?: MsgHdrs;
}

/**
 * Messages that are answered, over one inbox. That of the library makes errors with stacks for each request before
 * anything is wrong, which cost more than the request.
 */
export class NatsRequests {
  private readonly asked = new Map<string, Asked>();
  private readonly inbox: string;
  private count = 0;
  private heardOn: NatsConnection | undefined;
  private looking = false;

  constructor(private readonly link: NatsLink) {
    this.inbox = createInbox(link.inboxPrefix);
  }

  /**
   * Sends a message and resolves with its reply.
   * @throws UnavailableError while there is no connection; Error when nobody answers in time
   */
  async send(natsSubject: string, text: string, { timeoutMs, headers }: SendOptions): Promise<Msg> {
    const connection = this.link.connection();
    this.hearOn(connection);
    const reply = `${this.inbox}.${(this.count++).toString(36)}`;
    connection.publish(natsSubject, text, headers === undefined ? { reply } : { reply, headers });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.takeAsked(reply)?.reject(new Error(`no answer within ${Math.round(timeoutMs)} ms`)),
        timeoutMs,
      );
      const settle = <T>(how: (value: T) => void) => {
        return (value: T): void => {
          clearTimeout(timer);
          how(value);
        };
      };
      const isLong = timeoutMs > SHORT_MS;
      this.asked.set(reply, { resolve: settle(resolve), reject: settle(reject), isLong });
      if (isLong) void this.lookForLink();
    });
  }

  /** What is still asked is not waited for any more. */
  close(): void {
    this.rejectAll(new Error('closed'));
  }

  private hearOn(connection: NatsConnection): void {
    if (this.heardOn === connection) return;
    this.heardOn = connection;
    connection.subscribe(`${this.inbox}.*`, {
      callback: (error, message) => {
        if (error !== null) this.rejectAll(error);
        else this.hear(message);
      },
    });
  }

  private hear(message: Msg): void {
    const asked = this.takeAsked(message.subject);
    if (message.data.length === 0 && message.headers?.code === 503) asked?.reject(new Error('nobody answers'));
    else asked?.resolve(message);
  }

  private takeAsked(reply: string): Asked | undefined {
    const asked = this.asked.get(reply);
    this.asked.delete(reply);
    return asked;
  }

  private rejectAll(error: unknown, which: (asked: Asked) => boolean = () => true): void {
    for (const [reply, asked] of this.asked) if (which(asked)) this.takeAsked(reply)?.reject(error);
  }

  /** When the server itself stops answering, an answer that may take long is not worth the wait. */
  private async lookForLink(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    while ([...this.asked.values()].some(({ isLong }) => isLong)) {
      await delay(LOOK_MS, undefined, { ref: false });
      await this.link.ping().catch((error: unknown) => this.rejectAll(error, ({ isLong }) => isLong));
    }
    this.looking = false;
  }
}
