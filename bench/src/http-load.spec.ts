import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { endOfAnswer } from './http-answer';
import { httpPost, percentile, runLoad } from './http-load';

const head = (...lines: string[]): string => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n');

describe('an answer', () => {
  const withLength = `${head('Content-Length: 4')}{"a"`;
  const inChunks = `${head('transfer-encoding: chunked')}3\r\nabc\r\nA\r\n0\r\n\r\n01234\r\n0\r\n\r\n`;
  const withoutBody = 'HTTP/1.1 204 No Content\r\ndate: today\r\n\r\n';

  it.each([
    ['with a length', withLength],
    ['in chunks, one of which looks like the end', inChunks],
    ['without a body', withoutBody],
  ])('%s ends where it ends, whatever follows, and not before', (_, answer) => {
    expect(endOfAnswer(answer)).toBe(answer.length);
    expect(endOfAnswer(answer + withLength)).toBe(answer.length);
    for (let length = 0; length < answer.length; length++) expect(endOfAnswer(answer.slice(0, length))).toBeNull();
  });
});

describe('a percentile', () => {
  const hundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);

  it.each([
    [0, 1],
    [0.5, 50],
    [0.99, 99],
    [1, 100],
  ])('%s of 1 to 100 is %s', (share, value) => expect(percentile(hundred, share)).toBe(value));

  it('of one value is that value, of none 0', () => {
    expect(percentile(Float64Array.of(7), 0.99)).toBe(7);
    expect(percentile(new Float64Array(), 0.5)).toBe(0);
  });
});

describe('the load', () => {
  const withServer = async (listener: RequestListener, work: (url: string) => Promise<void>): Promise<void> => {
    const server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.closeAllConnections();
    server.close();
  };

  it('sends every request once, over no more connections than asked for, and counts each status', async () => {
    const bodies: string[] = [];
    const ports = new Set<number | undefined>();
    const listener: RequestListener = (request, response) => {
      ports.add(request.socket.remotePort);
      let body = '';
      request.on('data', (part: Buffer) => (body += part.toString()));
      request.on('end', () => response.writeHead(bodies.push(body) % 2 === 0 ? 200 : 503).end('x'.repeat(70_000)));
    };
    await withServer(listener, async (url) => {
      const request = (number: number): string => httpPost(url, '/', `é${number}`, { 'x-test': '1' });
      const { statuses, latencies, count } = await runLoad({ url, concurrency: 3, count: 20, request });
      expect({ statuses, count }).toEqual({ statuses: { 200: 10, 503: 10 }, count: 20 });
      expect([...bodies].sort()).toEqual(Array.from({ length: 20 }, (_, number) => `é${number}`).sort());
      expect(ports.size).toBe(3);
      expect([...latencies]).toEqual([...latencies].sort((a, b) => a - b));
    });
  });

  it('fails when a server ends the connection instead of answering', async () => {
    await withServer(
      (request) => void request.socket.destroy(),
      async (url) => {
        const load = { url, concurrency: 2, count: 5, request: () => httpPost(url, '/', '', {}) };
        await expect(runLoad(load)).rejects.toThrow(/closed|ECONNRESET/);
      },
    );
  });
});
