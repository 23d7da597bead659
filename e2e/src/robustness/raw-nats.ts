import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { eventually, Recorder } from '@countersign/testing';

/** A connection to NATS that says exactly what it is told, and keeps every byte that comes. */
export class RawNats {
  private readonly lines = new Recorder<string>();
  private received = '';

  private constructor(private readonly socket: Socket) {
    socket.on('error', () => undefined).on('close', () => this.lines.add('(closed)'));
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString();
      this.lines.add(...chunk.toString().split('\r\n'));
    });
  }

  /** `url` with the user's name and password, or without any. */
  static async connect(url: string): Promise<RawNats> {
    const { hostname, port, username: user, password: pass } = new URL(url);
    const raw = new RawNats(connect(Number(port), hostname));
    await once(raw.socket, 'connect');
    const who = user === '' ? {} : { user: decodeURIComponent(user), pass: decodeURIComponent(pass) };
    raw.say(`CONNECT ${JSON.stringify({ verbose: false, pedantic: false, headers: true, ...who })}`);
    return raw;
  }

  say(...lines: string[]): void {
    for (const line of lines) this.socket.write(`${line}\r\n`);
  }

  publish(natsSubject: string, payload: string, replyTo = ''): void {
    this.say(`PUB ${natsSubject} ${replyTo} ${Buffer.byteLength(payload)}`, payload);
  }

  /** Asks, and resolves with the answer, which is JSON. */
  // The tests look into answers freely.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  async request(natsSubject: string, payload = ''): Promise<any> {
    const inbox = `_INBOX.${crypto.randomUUID()}`;
    this.say(`SUB ${inbox} ${inbox}`);
    this.publish(natsSubject, payload, inbox);
    return eventually(() => {
      const [, answer] = new RegExp(`^MSG ${inbox} \\S+ \\d+\r\n(.*)\r\n`, 'm').exec(this.received) ?? [];
      if (answer === undefined) throw new Error(`${natsSubject}: no answer`);
      return JSON.parse(answer) as unknown;
    });
  }

  /** Everything heard so far. */
  heard(): string {
    return this.received;
  }

  /** Resolves with what was heard when the server has dealt with all that was said before, or has hung up. */
  async settled(): Promise<string> {
    const before = this.count('PONG');
    this.say('PING');
    while (this.count('PONG') === before && !this.socket.closed) await this.lines.atLeast(this.lines.items.length + 1);
    return this.received;
  }

  /** Whether the server hung up. */
  get isClosed(): boolean {
    return this.socket.closed;
  }

  close(): void {
    this.socket.destroy();
  }

  private count(line: string): number {
    return this.lines.items.filter((one) => one === line).length;
  }
}
