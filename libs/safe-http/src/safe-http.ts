import { setImmediate as turn } from 'node:timers/promises';
import { AddressCheck, addressCheck } from './addresses';
import { AnswerReceiver, type AnswerHead } from './answer-receiver';
import { DispatcherPool } from './dispatcher-pool';
import { systemResolve, type Resolve } from './resolve';
import { SafeHttpError, SafeHttpReason, toSafeHttpError } from './safe-http-error';
import { CheckedUrl, checkUrl } from './url-check';

export interface SafeHttpOptions {
  /** Development: http and loopback addresses. */
  allowLoopback: boolean;
  /** CIDR notation; private ranges that may be reached. */
  allowedPrivateCidrs: string[];
  /** HTTP proxy for everything but loopback; it resolves the names then, so their addresses are its concern. */
  proxyUrl: string | null;
  /** Replaces the system's resolver. */
  resolve?: Resolve;
}

export interface SafeGetOptions {
  /** For everything from DNS to the last byte of the body; 5,000. */
  timeoutMs?: number;
  /** A longer body is refused; 512 KiB. */
  maxBytes?: number;
  /** PEM; the only certificate authorities trusted in this call. */
  caCertificate?: string | undefined;
  headers?: Record<string, string>;
}

export interface SafePostOptions {
  /** For everything from DNS to the last byte of the body; 15,000. */
  timeoutMs?: number;
  /** Of a longer body the beginning is returned; 64 KiB. */
  maxBytes?: number;
  headers: Record<string, string>;
}

export interface SafeResponse {
  status: number;
  /** Names in lower case; repeated ones joined by a comma. */
  headers: Record<string, string>;
  body: string;
  url: string;
}

interface Call {
  method: 'GET' | 'POST' | 'OPTIONS';
  headers: Record<string, string>;
  body: string | null;
  timeoutMs: number;
  maxBytes: number;
  caCertificate: string | null;
}

/**
 * Requests to addresses that strangers may have chosen: https only, public addresses only, no redirects, no
 * compression, bounded time and size. Every failure is a SafeHttpError. http and loopback are open with
 * `allowLoopback`, private ranges with `allowedPrivateCidrs`.
 */
export class SafeHttp {
  private readonly isAllowed: AddressCheck;
  private readonly pool: DispatcherPool;
  private readonly underWay = new Set<Promise<SafeResponse>>();
  private isClosed = false;

  /** Throws when an allowed range is no CIDR notation. */
  constructor(private readonly options: SafeHttpOptions) {
    this.isAllowed = addressCheck(options);
    const { proxyUrl, resolve = systemResolve() } = options;
    this.pool = new DispatcherPool({ isAllowed: this.isAllowed, resolve, proxyUrl });
  }

  /** Answers with any status but a redirect; a body beyond the cap is an error. */
  async get(url: string, options: SafeGetOptions = {}): Promise<SafeResponse> {
    const { timeoutMs = 5_000, maxBytes = 512 * 1024, caCertificate = null, headers = {} } = options;
    return this.call(url, { method: 'GET', headers, body: null, timeoutMs, maxBytes, caCertificate });
  }

  /** Answers with any status, redirects included, and with the beginning of the body; a compressed one is left out. */
  async post(url: string, body: string, options: SafePostOptions): Promise<SafeResponse> {
    const { timeoutMs = 15_000, maxBytes = 64 * 1024, headers } = options;
    return this.call(url, { method: 'POST', headers, body, timeoutMs, maxBytes, caCertificate: null });
  }

  /** An OPTIONS request, answered like `post`. */
  async preflight(url: string, options: SafePostOptions): Promise<SafeResponse> {
    const { timeoutMs = 5_000, maxBytes = 4 * 1024, headers } = options;
    return this.call(url, { method: 'OPTIONS', headers, body: null, timeoutMs, maxBytes, caCertificate: null });
  }

  /** What can be said of a URL when it is registered, without DNS: whether it could ever be called. */
  checkUrl(url: string): { ok: true } | { ok: false; reason: SafeHttpReason } {
    const result = checkUrl(url, this.isAllowed, this.options.allowLoopback);
    return result.ok ? { ok: true } : result;
  }

  /** Waits for calls that are under way; later ones fail with `closed`. */
  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.allSettled(this.underWay);
    await this.pool.close();
  }

  private async call(text: string, call: Call): Promise<SafeResponse> {
    const target = checkUrl(text, this.isAllowed, this.options.allowLoopback);
    if (!target.ok) throw new SafeHttpError(target.reason, `the URL is refused: ${target.reason}`);
    if (this.isClosed) throw new SafeHttpError('closed', `${target.url.host}: the client is closed`);
    const receiver = new AnswerReceiver({
      maxBytes: call.maxBytes,
      readsBody: (head) => readsBody(head, target, call),
    });
    const late = (): void =>
      receiver.giveUp(new SafeHttpError('timeout', `${target.url.host}: no complete answer in time`));
    const timer = setTimeout(late, call.timeoutMs);
    const answer = this.send(target, call, receiver);
    this.underWay.add(answer);
    try {
      return await answer;
    } catch (error) {
      throw toSafeHttpError(error, target.url.host);
    } finally {
      clearTimeout(timer);
      this.underWay.delete(answer);
    }
  }

  private async send({ url, hostname }: CheckedUrl, call: Call, receiver: AnswerReceiver): Promise<SafeResponse> {
    const { method, body, maxBytes, caCertificate } = call;
    const headers = { 'user-agent': 'countersign', ...call.headers, 'accept-encoding': 'identity' };
    const request = { origin: url.origin, path: url.pathname + url.search, method, headers, body };
    this.pool.dispatcherFor(hostname, caCertificate).dispatch(request, receiver);
    const { isTruncated, ...answer } = await receiver.answer;
    // A turn later undici takes the connection for free: whoever asked again before that would get one more.
    await turn();
    if (method === 'GET' && isTruncated) {
      throw new SafeHttpError('too_large', `${url.host}: the body is longer than ${maxBytes} bytes`);
    }
    return { ...answer, url: url.href };
  }
}

/** @throws SafeHttpError for an answer that a GET does not take */
function readsBody({ status, headers }: AnswerHead, { url }: CheckedUrl, { method }: Call): boolean {
  if (method === 'GET' && status >= 300 && status < 400) {
    throw new SafeHttpError('redirect', `${url.host}: answered with the redirect ${status}, which is not followed`);
  }
  if (isIdentity(headers['content-encoding'])) return true;
  if (method === 'GET') {
    throw new SafeHttpError('encoding', `${url.host}: answered with a content encoding that was not asked for`);
  }
  // Nobody unfolds what a receiver compressed: its status is what counts.
  return false;
}

/** Whether the bytes that are counted are the bytes that are read: a compressed body would unfold to more. */
function isIdentity(contentEncoding: string | undefined): boolean {
  const encoding = contentEncoding?.trim().toLowerCase() ?? '';
  return encoding === '' || encoding === 'identity';
}
