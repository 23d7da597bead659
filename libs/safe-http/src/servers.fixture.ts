import { createServer as createHttpServer, RequestListener, Server } from 'node:http';
import { createServer as createHttpsServer, ServerOptions } from 'node:https';
import { AddressInfo, createServer as createTcpServer, Server as TcpServer, Socket } from 'node:net';

export interface RunningServer {
  port: number;
  /** Connections that were made to it. */
  connections: () => number;
  close: () => Promise<void>;
}

export function startHttp(listener: RequestListener, host = '127.0.0.1'): Promise<RunningServer> {
  return listen(createHttpServer(listener), host);
}

export function startHttps(options: ServerOptions, listener: RequestListener): Promise<RunningServer> {
  return listen(createHttpsServer(options, listener), '127.0.0.1');
}

export function startTcp(listener: (socket: Socket) => void): Promise<RunningServer> {
  return listen(createTcpServer(listener), '127.0.0.1');
}

async function listen(server: Server | TcpServer, host: string): Promise<RunningServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
