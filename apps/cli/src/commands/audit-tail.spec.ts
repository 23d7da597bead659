import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { runProgram } from '../program';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

const event = (number: number, data: object = {}) => ({
  specversion: '1.0',
  id: `id-${number}`,
  source: 'https://sts.test',
  type: 'dev.countersign.exchange.denied.v1',
  subject: 'github:repo:acme/web\u001b[2J',
  time: '2026-11-20T10:00:00.000Z',
  datacontenttype: 'application/json',
  sequence: String(number),
  data: { outcome: 'denied', reason: 'no_matching_role', traceId: 'f'.repeat(32), claims: null, ...data },
});
const message = (number: number): string => `id: c${number}\nevent: x\ndata: ${JSON.stringify(event(number))}\n\n`;

interface Asked {
  url: string;
  lastEventId: string | undefined;
  body: string;
  headers: IncomingMessage['headers'];
}

let server: Server;
let url: string;
let asked: Asked[];
let answer: (response: ServerResponse, count: number, asked: Asked) => void;

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { headers, url: path = '' } = request;
      const body = Buffer.concat(chunks).toString();
      const one = { url: path, lastEventId: headers['last-event-id'] as string | undefined, body, headers };
      answer(response, asked.push(one), one);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => void (asked = []));
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function run(args: string[], env: object = {}): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const terminal = {
    env: { COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: 'x'.repeat(32), ...env },
    cwd: '/',
    isTty: false,
    readStdin: () => Promise.resolve(''),
    write: (text: string) => void (out += text),
    writeError: (text: string) => void (err += text),
  };
  return { code: await runProgram(terminal, args), out, err };
}

/** A trail of so many events, whose first connections are lost in the middle of the second message. */
function streaming(events: number, losses = 0): void {
  answer = (response, count, { lastEventId = 'c0' }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('retry: 1\nid: c0\n\n: still here\n\n');
    const after = Number(lastEventId.slice(1));
    const messages = Array.from({ length: events - after }, (_, index) => message(after + 1 + index));
    if (count > losses) return void response.write(messages.join(''));
    response.write((messages[0] ?? '') + (messages[1] ?? '').slice(0, 40));
    setImmediate(() => response.destroy());
  };
}

describe('countersign audit tail', () => {
  it('goes on where it was when the connection is lost, with nothing twice', async () => {
    streaming(3, 2);
    const { code, out } = await run(['audit', 'tail', '--limit', '3', '--output', 'json', '--issuer', 'github']);
    const lines = out.trimEnd().split('\n');
    expect([code, lines.map((line) => (JSON.parse(line) as { sequence: string }).sequence)]).toEqual([
      0,
      ['1', '2', '3'],
    ]);
    expect(asked.map((one) => one.url)).toEqual(Array(3).fill('/v1/events/stream?issuer=github'));
    expect(asked[0]?.lastEventId).toBeUndefined();
    expect(asked.slice(1).map((one) => one.lastEventId)).not.toContain(undefined);
  });

  it('writes a line for each event, in which control characters do nothing', async () => {
    streaming(1);
    const { out } = await run(['audit', 'tail', '--type', 'exchange.denied', '--limit', '1']);
    expect(asked[0]?.url).toBe('/v1/events/stream?type=dev.countersign.exchange.denied.v1');
    expect(out.split('\n')).toHaveLength(2);
    expect(out).toMatch(/^1 .*exchange\.denied +github:repo:acme\/web�\[2J +no_matching_role +f{32}$/m);
  });

  it('ends after its time', async () => {
    streaming(0);
    expect((await run(['audit', 'tail', '--for', '1s'])).code).toBe(0);
  });

  it.each<[string, number, number]>([
    ['it may not read the trail', 403, 1],
    ['there are too many streams', 503, 3],
  ])('does not wait when %s', async (_, status, code) => {
    answer = (response) => void response.writeHead(status).end();
    expect((await run(['audit', 'tail'])).code).toBe(code);
    expect(asked).toHaveLength(1);
  });

  it.each([['--for', 'long'], ['--limit', '0'], ['--frobnicate']])('is a usage error with %s %s', async (...args) => {
    expect((await run(['audit', 'tail', ...args])).code).toBe(2);
  });
});

describe('countersign audit show', () => {
  it('shows what an event holds and how to have it explained', async () => {
    answer = (response) =>
      void response.setHeader('content-type', 'application/json').end(JSON.stringify(event(7, { door: 'oauth' })));
    const { code, out } = await run(['audit', 'show', 'id-7']);
    expect([code, asked[0]?.url]).toEqual([0, '/v1/events/id-7']);
    expect(out).toMatch(/^event +exchange\.denied$/m);
    expect(out).toMatch(/^door: oauth$/m);
    expect(out).not.toContain('claims');
    expect(out).not.toContain('\u001b');
    expect(out).toContain(`next  countersign explain --trace-id ${'f'.repeat(32)}`);
  });
});

describe('countersign webhook listen', () => {
  it('forwards each event, signed so that an independent implementation accepts it, and shows the answer', async () => {
    answer = (response, count, { url: path }) => {
      if (path === '/hook') return void response.writeHead(count === 2 ? 204 : 500).end();
      response.writeHead(200);
      return void response.write(message(1) + message(2));
    };
    const { code, out } = await run(['webhook', 'listen', `${url}/hook`, '--limit', '2'], { WEBHOOK_SECRET: SECRET });
    const [, first, second] = asked;
    expect([code, out]).toEqual([0, expect.stringMatching(/id-1 {2}204\n.*id-2 {2}500\n$/)]);
    for (const [one, number] of [
      [first, 1],
      [second, 2],
    ] as const) {
      const headers = one?.headers as Record<string, string>;
      expect(new Webhook(SECRET).verify(one?.body ?? '', headers)).toEqual(event(number));
    }
    expect(first?.headers['authorization']).toBeUndefined();
  });

  it.each([
    ['another machine', 'http://192.0.2.1/'],
    ['another scheme', 'file:///etc/passwd'],
    ['no URL', 'here'],
  ])('is a usage error for %s', async (_, target) => {
    expect((await run(['webhook', 'listen', target])).code).toBe(2);
  });

  it('is a usage error with a secret that is none', async () => {
    expect((await run(['webhook', 'listen', `${url}/hook`], { WEBHOOK_SECRET: 'short' })).code).toBe(2);
  });
});
