import type { Dispatcher } from 'undici';

export interface AnswerHead {
  status: number;
  /** Names in lower case; repeated ones joined by a comma. */
  headers: Record<string, string>;
}

export interface ReceivedAnswer extends AnswerHead {
  body: string;
  isTruncated: boolean;
}

interface Rules {
  /** Of a longer body only the beginning is read; what that means is up to the caller. */
  maxBytes: number;
  /** Whether the body is read; throws what refuses the answer. */
  readsBody: (head: AnswerHead) => boolean;
}

/** Takes the answer of one request from undici. What is not read to its end ends the connection. */
export class AnswerReceiver implements Dispatcher.DispatchHandler {
  readonly answer: Promise<ReceivedAnswer>;
  private resolve!: (answer: ReceivedAnswer) => void;
  private reject!: (error: unknown) => void;
  private head: AnswerHead = { status: 0, headers: {} };
  private readonly chunks: Buffer[] = [];
  private length = 0;
  private controller: Dispatcher.DispatchController | undefined;
  private reason: Error | undefined;

  constructor(private readonly rules: Rules) {
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Whatever it was waiting for, a connection too. */
  giveUp(reason: Error): void {
    this.reason = reason;
    this.reject(reason);
    this.controller?.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.reason !== undefined) controller.abort(this.reason);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: RawHeaders): void {
    if (status < 200) return;
    this.head = { status, headers: joinHeaders(headers) };
    try {
      if (!this.rules.readsBody(this.head)) this.endEarly();
    } catch (error) {
      this.giveUp(error as Error);
    }
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
    if (this.length > this.rules.maxBytes) this.endEarly();
  }

  onResponseEnd(): void {
    const { maxBytes } = this.rules;
    const body = Buffer.concat(this.chunks).subarray(0, maxBytes).toString('utf8');
    this.resolve({ ...this.head, body, isTruncated: this.length > maxBytes });
  }

  onResponseError(_: unknown, error: Error): void {
    this.reject(error);
  }

  private endEarly(): void {
    this.onResponseEnd();
    this.controller?.abort(new Error('the rest is not read'));
  }
}

type RawHeaders = Record<string, string | string[] | undefined>;

function joinHeaders(headers: RawHeaders): Record<string, string> {
  const entries = Object.entries(headers).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), [value].flat().join(', ')]));
}
