import { Webhook } from 'standardwebhooks';
import { commandUnderTest } from '../command.fixture';

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

const cli = commandUnderTest();
const run = (args: string[], env: object = {}) => cli.run(args, { env: { ...cli.env, ...env } });
const lastEventIds = () => cli.seen.map(({ headers }) => headers['last-event-id']);

/** A trail of so many events, whose first connections are lost in the middle of the second message. */
function streaming(events: number, losses = 0): void {
  cli.respond = (response, { headers }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('retry: 1\nid: c0\n\n: still here\n\n');
    const after = Number(String(headers['last-event-id'] ?? 'c0').slice(1));
    const messages = Array.from({ length: events - after }, (_, index) => message(after + 1 + index));
    if (cli.seen.length > losses) return void response.write(messages.join(''));
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
    expect(cli.seen.map(({ line }) => line)).toEqual(Array(3).fill('GET /v1/events/stream?issuer=github'));
    expect(lastEventIds()[0]).toBeUndefined();
    expect(lastEventIds().slice(1)).not.toContain(undefined);
  });

  it('writes a line for each event, in which control characters do nothing', async () => {
    streaming(1);
    const { out } = await run(['audit', 'tail', '--type', 'exchange.denied', '--limit', '1']);
    expect(cli.seen[0]?.url).toBe('/v1/events/stream?type=dev.countersign.exchange.denied.v1');
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
    cli.respond = (response) => void response.writeHead(status).end();
    expect((await run(['audit', 'tail'])).code).toBe(code);
    expect(cli.seen).toHaveLength(1);
  });

  it.each([['--for', 'long'], ['--limit', '0'], ['--frobnicate']])('is a usage error with %s %s', async (...args) => {
    expect((await run(['audit', 'tail', ...args])).code).toBe(2);
  });
});

describe('countersign audit show', () => {
  it('shows what an event holds and how to have it explained', async () => {
    cli.answer(event(7, { door: 'oauth' }));
    const { code, out } = await run(['audit', 'show', 'id-7']);
    expect([code, cli.seen[0]?.url]).toEqual([0, '/v1/events/id-7']);
    expect(out).toMatch(/^event +exchange\.denied$/m);
    expect(out).toMatch(/^door: oauth$/m);
    expect(out).not.toContain('claims');
    expect(out).not.toContain('\u001b');
    expect(out).toContain(`next  countersign explain --trace-id ${'f'.repeat(32)}`);
  });
});

describe('countersign webhook listen', () => {
  it('forwards each event, signed so that an independent implementation accepts it, and shows the answer', async () => {
    cli.respond = (response, { url }) => {
      if (url === '/hook') return void response.writeHead(cli.seen.length === 2 ? 204 : 500).end();
      response.writeHead(200);
      return void response.write(message(1) + message(2));
    };
    const { code, out } = await run(['webhook', 'listen', `${cli.url}/hook`, '--limit', '2'], {
      WEBHOOK_SECRET: SECRET,
    });
    const [, first, second] = cli.seen;
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
    expect((await run(['webhook', 'listen', `${cli.url}/hook`], { WEBHOOK_SECRET: 'short' })).code).toBe(2);
  });
});
