import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Recorder } from '@countersign/testing';

export interface ReceivedWebhook {
  headers: Record<string, string>;
  body: string;
}

/** A subscriber on the loopback interface; answers 204, or what `answer` says. */
export async function startWebhookReceiver(answer: (count: number) => number = () => 204) {
  const received = new Recorder<ReceivedWebhook>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.add({ headers: request.headers as Record<string, string>, body: Buffer.concat(chunks).toString() });
      response.writeHead(answer(received.items.length)).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
