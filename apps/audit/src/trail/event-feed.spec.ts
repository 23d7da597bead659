import { eventually, startPostgres, type TestServer } from '@countersign/testing';
import type { RecordedEvent } from '@countersign/contracts';
import { exchangeEvent, startAudit, until, type AuditUnderTest } from '../audit.fixture';

interface Message {
  id: string;
  event: string;
  data: RecordedEvent;
}

/** A client of server-sent events, as the HTML Living Standard (section 9.2.6) has it; collects until it is closed. */
class Client {
  readonly messages: Message[] = [];
  private readonly closing = new AbortController();

  async open(path: string, lastEventId?: string): Promise<Response> {
    const response = await audit.fetch(path, {
      signal: this.closing.signal,
      headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
    });
    if (response.ok) void this.read(response).catch(() => undefined);
    return response;
  }

  close(): void {
    this.closing.abort();
  }

  private async read(response: Response): Promise<void> {
    let text = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      const blocks = (text + Buffer.from(chunk).toString()).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) this.take(block);
    }
  }

  private take(block: string): void {
    const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]));
    const [id, event, data] = ['id', 'event', 'data'].map((name) => fields.get(name));
    if (id && event && data) this.messages.push({ id, event, data: JSON.parse(data) as RecordedEvent });
  }
}

let server: TestServer;
let audit: AuditUnderTest;
const clients: Client[] = [];

async function listen(path = '/v1/events/stream', lastEventId?: string): Promise<Client> {
  const client = new Client();
  clients.push(client);
  const response = await client.open(path, lastEventId);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  return client;
}

const append = (count: number, data: Record<string, unknown> = {}): Promise<string[]> =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const event = exchangeEvent(data);
      await audit.stream.append('audit', event);
      return event.id;
    }),
  );

const received = (client: Client, count: number): Promise<Message[]> =>
  until(`${count} messages`, () => (client.messages.length >= count ? client.messages : null));

const idsOf = (messages: Message[]): string[] => messages.map(({ data }) => data.id);

beforeAll(async () => {
  server = await startPostgres();
  audit = await startAudit(server);
});
afterEach(() => clients.splice(0).forEach((client) => client.close()));
afterAll(async () => {
  await audit.stop();
  await server.stop();
});

describe('GET /v1/events/stream', () => {
  test('sends each event as it comes, exactly as GET /v1/events shows it, in the order of the trail', async () => {
    const client = await listen();
    const ids = await append(5);
    const messages = await received(client, 5);
    const { body } = await audit.call('GET', '/v1/events?limit=5');
    expect(messages.map(({ data }) => data)).toEqual(body.items.reverse());
    expect(messages.map(({ event }) => event)).toEqual(messages.map(({ data }) => data.type));
    expect(idsOf(messages).sort()).toEqual(ids.sort());
  });

  test('goes on after Last-Event-ID: nothing twice and nothing missing, also of what comes meanwhile', async () => {
    const before = await listen();
    await append(3);
    const [first] = await received(before, 3);
    before.close();
    const more = append(500);
    const after = await listen('/v1/events/stream', first?.id);
    await more;
    await append(2);
    const messages = await received(after, 504);
    const numbers = messages.map(({ data }) => Number(data.sequence));
    const start = Number(first?.data.sequence) + 1;
    expect(numbers).toEqual(Array.from({ length: 504 }, (_, index) => start + index));
  });

  test('sends only what the filters name', async () => {
    const client = await listen('/v1/events/stream?issuer=gitlab&outcome=denied');
    await append(2);
    await append(1, { issuer: 'gitlab' });
    const [wanted] = await append(1, { issuer: 'gitlab', outcome: 'denied' });
    expect(idsOf(await received(client, 1))).toEqual([wanted]);
  });

  test.each<[string, string, string | undefined, number]>([
    ['an id of another list', '/v1/events/stream', 'cDA', 422],
    ['a filter that there is not', '/v1/events/stream?limit=5', undefined, 422],
    ['a type that there is not', '/v1/events/stream?type=x', undefined, 422],
  ])('refuses %s', async (_, path, lastEventId, status) => {
    expect((await new Client().open(path, lastEventId)).status).toBe(status);
  });

  test('is for those who may read the trail', async () => {
    expect((await audit.call('GET', '/v1/events/stream', undefined, null)).status).toBe(401);
  });
});

test('fifty listeners at the end of the trail cost the database what one does, and each gets what it asked for, once', async () => {
  const paths = ['', '?issuer=gitlab', '?role=deploy', '?subject=nobody', '?outcome=denied&issuer=gitlab'];
  const asked = jest.spyOn(audit.database, 'query');
  const listeners: Client[] = [];
  while (listeners.length < 50) {
    // A busy machine may answer 503.
    listeners.push(await eventually(() => listen(`/v1/events/stream${paths[listeners.length % 5]}`)));
  }
  await append(1, { issuer: 'gitlab', outcome: 'denied' });
  await Promise.all(listeners.filter((_, index) => index % 5 !== 3).map((client) => received(client, 1)));
  asked.mockClear();
  for (let round = 0; round < 10; round += 1) await append(1, { issuer: 'gitlab' });
  await append(1, { issuer: 'gitlab', outcome: 'denied', decision: null });
  for (const [index, count] of [12, 12, 11, 0, 2].entries()) {
    const same = listeners.filter((_, place) => place % 5 === index);
    for (const client of same) {
      const { size } = new Set(idsOf(await received(client, count)));
      expect([size, client.messages.length]).toEqual([count, count]);
    }
  }
  const reads = asked.mock.calls.filter(([sql]) => /AS position FROM audit|sequence > \$2/.test(sql));
  // Two for each event at the most, and one a second: the fifty alone would be more than a thousand.
  expect(reads.length).toBeLessThan(100);
  asked.mockRestore();
});
