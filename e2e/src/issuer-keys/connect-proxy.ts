import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

export interface ConnectProxy {
  url: string;
  /** Authorities of the tunnels that were asked for. */
  tunnels: string[];
  stop(): Promise<void>;
}

/** An HTTP proxy that tunnels (RFC 9110 section 9.3.6) the names it knows to ports of this machine, and no other. */
export async function startConnectProxy(ports: ReadonlyMap<string, () => number>): Promise<ConnectProxy> {
  const tunnels: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', (request, client: Socket) => {
    tunnels.push(request.url ?? '');
    sockets.add(client.on('error', () => undefined));
    const port = ports.get(request.url ?? '')?.();
    if (port === undefined) return void client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const target = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    sockets.add(target.on('error', () => client.destroy()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tunnels,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
