import { Dispatcher, request } from 'undici';
import { AddressCheck, addressCheck } from './addresses';
import { DispatcherPool } from './dispatcher-pool';
import { isIdentity, readBody } from './read-body';
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
    // Not AbortSignal.timeout: its timer would outlive the call.
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), call.timeoutMs);
    const answer = Promise.race([this.send(target, call, deadline.signal), rejectWhenAborted(deadline.signal)]);
    this.underWay.add(answer);
    try {
      return await answer;
    } catch (error) {
      throw toSafeHttpError(error, target.url.host, deadline.signal.aborted);
    } finally {
      clearTimeout(timer);
      this.underWay.delete(answer);
    }
  }

  private async send({ url, hostname }: CheckedUrl, call: Call, signal: AbortSignal): Promise<SafeResponse> {
    const { method, body, maxBytes, caCertificate } = call;
    const dispatcher = this.pool.dispatcherFor(hostname, caCertificate);
    const headers = { 'user-agent': 'countersign', ...call.headers, 'accept-encoding': 'identity' };
    const answer = await request(url, { dispatcher, method, headers, body, signal });
    // A body that is given up emits an error; without a listener that ends the process.
    answer.body.on('error', () => undefined);
    try {
      return await receive(answer, { url, method, maxBytes });
    } finally {
      answer.body.destroy();
    }
  }
}

/** undici leaves a request alone that is aborted while its connection is being made. */
function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

async function receive(
  { statusCode, headers: rawHeaders, body }: Dispatcher.ResponseData,
  { url, method, maxBytes }: Pick<Call, 'method' | 'maxBytes'> & { url: URL },
): Promise<SafeResponse> {
  const headers = joinHeaders(rawHeaders);
  if (method === 'GET' && statusCode >= 300 && statusCode < 400) {
    throw new SafeHttpError('redirect', `${url.host}: answered with the redirect ${statusCode}, which is not followed`);
  }
  const isReadable = isIdentity(headers['content-encoding']);
  if (method === 'GET' && !isReadable) {
    throw new SafeHttpError('encoding', `${url.host}: answered with a content encoding that was not asked for`);
  }
  // Nobody unfolds what a receiver compressed: its status is what counts.
  const { text, isTruncated } = isReadable ? await readBody(body, maxBytes) : { text: '', isTruncated: false };
  if (method === 'GET' && isTruncated) {
    throw new SafeHttpError('too_large', `${url.host}: the body is longer than ${maxBytes} bytes`);
  }
  return { status: statusCode, headers, body: text, url: url.href };
}

function joinHeaders(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const entries = Object.entries(headers).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), [value].flat().join(', ')]));
}
