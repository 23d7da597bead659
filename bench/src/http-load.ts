import { connect, type Socket } from 'node:net';
import { endOfAnswer, statusOf } from './http-answer';

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
  /** `http://127.0.0.1:PORT`; connections are spread over several of them. */
  url: string | readonly string[];
  /** How many requests are on their way at any time; each has a connection of its own. */
  concurrency: number;
  count: number;
  /** The whole request, head and body, of this number. */
  request: (number: number) => string;
}

const SILENT_MS = 30_000;

/** A request as it goes over the wire; the connection stays open. */
export function httpPost(url: string, path: string, body: string, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = Buffer.byteLength(body);
  return `POST ${path} HTTP/1.1\r\nhost: ${new URL(url).host}\r\n${lines.join('')}content-length: ${length}\r\n\r\n${body}`;
}

/**
 * Sends `count` requests, `concurrency` of them at a time. Plain sockets: on a machine that the load shares with what
 * is measured, a client library would take a good part of it.
 * @throws Error when a connection ends, or is silent for half a minute
 */
export async function runLoad({ url, concurrency, count, request }: Load): Promise<LoadResult> {
  const urls = [url].flat();
  const latencies = new Float64Array(count);
  const statuses: Record<string, number> = {};
  let sent = 0;
  let answered = 0;
  const client = async (connection: Connection): Promise<void> => {
    while (sent < count) {
      const text = request(sent++);
      const since = performance.now();
      const status = await connection.exchange(text);
      latencies[answered++] = performance.now() - since;
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  };
  const opening = Array.from({ length: concurrency }, (_, index) => open(urls[index % urls.length] ?? ''));
  const connections = await Promise.all(opening);
  try {
    const since = performance.now();
    await Promise.all(connections.map(client));
    const seconds = (performance.now() - since) / 1000;
    return { count, seconds, statuses, latencies: latencies.sort() };
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** The smallest of the sorted values that `share` (0 to 1) of them do not exceed. */
export const percentile = (sorted: Float64Array, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;

interface Connection {
  /** Resolves with the status once the whole answer is here. */
  exchange(text: string): Promise<string>;
  close(): void;
}

interface Waiting {
  resolve: (status: string) => void;
  reject: (error: Error) => void;
}

async function open(url: string): Promise<Connection> {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect(Number(port), hostname);
  socket.setNoDelay(true).setEncoding('latin1');
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.setTimeout(SILENT_MS, () => socket.destroy(new Error(`${url} does not answer`)));
  let waiting: Waiting | undefined;
  let received = '';
  socket.on('data', (part: string) => {
    received += part;
    const end = endOfAnswer(received);
    if (end === null) return;
    const status = statusOf(received);
    received = received.slice(end);
    waiting?.resolve(status);
  });
  const lost = (error: Error): void => waiting?.reject(error);
  socket.on('error', lost).on('close', () => lost(new Error(`${url} closed the connection`)));
  return {
    exchange: (text) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        if (socket.destroyed) lost(new Error(`${url} closed the connection`));
        else socket.write(text);
      }),
    close: () => socket.destroy(),
  };
}
