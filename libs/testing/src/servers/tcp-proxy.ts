import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** An address in front of a server, behind which the network may be slow, cut, or lead to another server. */
export interface TcpProxy {
  port: number;
  /** Milliseconds that each byte to the server is under way, and each one back; Infinity holds them back. */
  late: { requestsMs: number; answersMs: number };
  /** The port that new connections are led to; those that exist stay where they are. */
  target: number;
  /** Connections so far, and those of now. */
  readonly accepted: number;
  readonly open: number;
  stop(): Promise<void>;
}

/** One direction of a connection: what comes goes on so much later, in order, and the end of it as well. */
class LateStream {
  private readonly waiting: { since: number; bytes: Buffer | null }[] = [];

  constructor(
    from: Socket,
    private readonly to: Socket,
    private readonly lateMs: () => number,
  ) {
    from.on('data', (bytes: Buffer) => this.waiting.push({ since: performance.now(), bytes }));
    from.on('close', () => this.waiting.push({ since: performance.now(), bytes: null }));
  }

  pass(): void {
    const before = performance.now() - this.lateMs();
    while (this.waiting[0] !== undefined && this.waiting[0].since <= before) {
      const bytes = this.waiting.shift()?.bytes ?? null;
      if (bytes === null) this.to.end();
      else this.to.write(bytes);
    }
  }
}

/** Often enough for whoever counts in tens of milliseconds. */
const LOOK_MS = 2;

/** Starts one on the loopback interface, in front of a port of it; nothing is late at first. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const streams = new Set<LateStream>();
  const keep = (socket: Socket): void => {
    sockets.add(socket.on('error', () => undefined).on('close', () => sockets.delete(socket)));
  };
  const server = createServer((client) => {
    proxy.accepted += 1;
    proxy.open += 1;
    const upstream = connect(proxy.target, '127.0.0.1');
    const ways = [
      new LateStream(client, upstream, () => proxy.late.requestsMs),
      new LateStream(upstream, client, () => proxy.late.answersMs),
    ];
    ways.forEach((way) => streams.add(way));
    client.on('close', () => (proxy.open -= 1));
    upstream.on('close', () => streams.delete(ways[0] as LateStream));
    client.on('close', () => streams.delete(ways[1] as LateStream));
    [client, upstream].forEach(keep);
  });
  const timer = setInterval(() => streams.forEach((stream) => stream.pass()), LOOK_MS);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const proxy = {
    port: (server.address() as AddressInfo).port,
    late: { requestsMs: 0, answersMs: 0 },
    target,
    accepted: 0,
    open: 0,
    stop: async () => {
      clearInterval(timer);
      server.close();
      sockets.forEach((socket) => socket.destroy());
      await once(server, 'close');
    },
  };
  return proxy;
}
