import { connect, type Socket } from 'node:net';

/** What one client saw. */
export interface LoadResult {
  count: number;
  seconds: number;
  /** How many answers had each status. */
  statuses: Record<string, number>;
  /** Milliseconds, of every answer, from the smallest. */
  latencies: Float64Array;
}

export interface Load {
  /** `http://127.0.0.1:PORT`. */
  url: string;
  /** How many requests are on their way at any time; each has a connection of its own. */
  concurrency: number;
  count: number;
  /** The whole request, head and body, of this number. */
  request: (number: number) => string;
}

/** A request as it goes over the wire; the connection stays open. */
export function httpPost(url: string, path: string, body: string, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = Buffer.byteLength(body);
  return `POST ${path} HTTP/1.1\r\nhost: ${new URL(url).host}\r\n${lines.join('')}content-length: ${length}\r\n\r\n${body}`;
}

/**
 * Sends `count` requests, `concurrency` of them at a time. Plain sockets: on a machine that the load shares with what
 * is measured, a client library would take a good part of it.
 */
export async function runLoad({ url, concurrency, count, request }: Load): Promise<LoadResult> {
  const latencies = new Float64Array(count);
  const statuses: Record<string, number> = {};
  let sent = 0;
  let answered = 0;
  const client = async (): Promise<void> => {
    const connection = await open(url);
    while (sent < count) {
      const text = request(sent++);
      const since = performance.now();
      const status = await connection.exchange(text);
      latencies[answered++] = performance.now() - since;
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
    connection.close();
  };
  const since = performance.now();
  await Promise.all(Array.from({ length: concurrency }, client));
  const seconds = (performance.now() - since) / 1000;
  return { count, seconds, statuses, latencies: latencies.sort() };
}

/** The value that `share` (0 to 1) of the sorted ones do not exceed. */
export const percentile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

interface Connection {
  /** Resolves with the status once the whole answer is here. */
  exchange(text: string): Promise<string>;
  close(): void;
}

async function open(url: string): Promise<Connection> {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let waiting: PromiseWithResolvers<string> | undefined;
  let received = '';
  socket.setEncoding('latin1');
  socket.on('data', (part: string) => {
    received += part;
    const end = endOfAnswer(received);
    if (end === null) return;
    const status = received.slice(9, 12);
    received = received.slice(end);
    waiting?.resolve(status);
  });
  const lost = (error?: Error): void => waiting?.reject(error ?? new Error('the connection was closed'));
  socket.on('error', lost).on('close', () => lost());
  return {
    exchange: (text) => {
      waiting = withResolvers();
      socket.write(text);
      return waiting.promise;
    },
    close: () => socket.destroy(),
  };
}

/** Where the answer ends; null while it is not all here. Only answers with a length or in chunks. */
function endOfAnswer(text: string): number | null {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return null;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, head))?.[1];
  if (length === undefined) {
    const end = text.indexOf('\r\n0\r\n\r\n', head);
    return end < 0 ? null : end + 7;
  }
  const end = head + 4 + Number(length);
  return text.length >= end ? end : null;
}

interface PromiseWithResolvers<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}
