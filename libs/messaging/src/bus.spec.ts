import { authorizeAdmin, getVerificationKeys, verificationKeysChanged } from '@countersign/contracts';
import { Logger, UnavailableError, isOlderThan } from '@countersign/platform';
import {
  busConformance,
  eventually,
  generous,
  freePort,
  startNats,
  testAnnouncement,
  testRequest,
  type TestServer,
} from '@countersign/testing';
import { connect, headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { BusAdminAccess } from './bus-admin-access';
import { InProcessBus } from './in-process-bus';
import { NatsBus } from './nats-bus';
import { connectNats, type NatsLink } from './nats-link';

const silent = new Logger('test', 'silent');

busConformance('NATS', async () => {
  const server = await startNats();
  const log: string[] = [];
  const logger = new Logger('test', 'debug', (line) => void log.push(line));
  const buses: NatsBus[] = [];
  return {
    log,
    connect: async () => {
      const link = connectNats({ url: server.url, service: 'test', logger });
      const bus = new NatsBus(link, logger);
      buses.push(bus);
      await link.whenConnected();
      return bus;
    },
    tearDown: async () => {
      await Promise.all(buses.map((bus) => bus.close()));
      await server.stop();
    },
  };
});

/** In process every service has the same bus; `close` of one ends it for all, so that test has one of its own. */
busConformance('The bus within one process', async () => {
  const log: string[] = [];
  const logger = new Logger('test', 'debug', (line) => void log.push(line));
  const shared = new InProcessBus(logger);
  let connected = 0;
  return {
    log,
    connect: async () => (++connected <= 3 ? shared : new InProcessBus(logger)),
    tearDown: () => shared.close(),
  };
});

describe('NATS alone', () => {
  let server: TestServer;
  let link: NatsLink;
  let bus: NatsBus;
  let raw: NatsConnection;

  const start = async (config?: string, credentials = ''): Promise<void> => {
    server = await startNats(config === undefined ? {} : { config });
    link = connectNats({ url: server.url.replace('//', `//${credentials}`), service: 'exchange', logger: silent });
    bus = new NatsBus(link, silent);
    await link.whenConnected();
  };
  const serveEcho = async (): Promise<ReturnType<typeof testRequest>> => {
    const contract = testRequest();
    bus.serve(contract, ({ text }) => ({ answer: text }));
    await bus.ping();
    return contract;
  };
  const unavailable = async (work: Promise<unknown>): Promise<UnavailableError> => {
    const error: unknown = await work.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UnavailableError);
    return error as UnavailableError;
  };

  afterEach(async () => {
    await raw?.close();
    await bus.close();
    await server.stop();
  });

  test('BUS-07: a server that may lose acknowledged events is named when we connect', async () => {
    await start();
    const { version = '' } = (await link.whenConnected()).info ?? {};
    const lines: string[] = [];
    const other = connectNats({
      url: server.url,
      service: 'exchange',
      logger: new Logger('test', 'warn', (line) => void lines.push(line)),
    });
    await other.whenConnected();
    await other.close();
    expect(lines.some((line) => line.includes('older than 2.10.0') && line.includes(version))).toBe(
      isOlderThan(version, '2.10.0'),
    );
  });

  const deep = '['.repeat(100_000);
  const poison: [string, string | Uint8Array][] = [
    ['nothing', ''],
    ['no JSON', '{"v":1,'],
    ['no UTF-8', new Uint8Array([0xff, 0xfe, 0])],
    ['another version', '{"v":2,"id":"a","input":{"text":"q"}}'],
    ['no envelope', '{"text":"q"}'],
    ['null', 'null'],
    ['a wrong input', '{"v":1,"id":"a","input":{"text":null}}'],
    ['a prototype', '{"v":1,"id":"a","input":{"__proto__":{"text":"q"},"constructor":{}}}'],
    ['an unfinished depth', deep],
    ['a depth', `{"v":1,"id":"a","input":{"text":${deep}${']'.repeat(100_000)}}}`],
    ['an id without end', `{"v":1,"id":"${'x'.repeat(256 * 1024)}","input":{"text":"q"}}`],
  ];
  test('answers every malformed request with an error, also without a place to reply, and goes on', async () => {
    await start();
    const contract = await serveEcho();
    const heard: unknown[] = [];
    const announcement = testAnnouncement();
    bus.subscribe(announcement, (payload) => void heard.push(payload));
    await bus.ping();
    raw = await connect({ servers: server.url });
    for (const [, message] of poison) {
      raw.publish(contract.natsSubject, message);
      raw.publish(announcement.natsSubject, message);
      const reply = await raw.request(contract.natsSubject, message, { timeout: 2_000 });
      expect(reply.json()).toEqual({ v: 1, id: '-', error: 'malformed' });
    }
    expect(await bus.request(contract, { text: 'still here' })).toEqual({ answer: 'still here' });
    expect(heard).toEqual([]);
    expect(({} as Record<string, unknown>).text).toBeUndefined();
  });

  test('says on the wire that a handler failed, and not why', async () => {
    await start();
    const contract = testRequest();
    bus.serve(contract, () => {
      throw new Error('password is hunter2');
    });
    await bus.ping();
    raw = await connect({ servers: server.url });
    const reply = await raw.request(contract.natsSubject, '{"v":1,"id":"i","input":{"text":"q"}}', { timeout: 2_000 });
    expect(reply.string()).toBe('{"v":1,"id":"i","error":"failed"}');
  });

  test('takes a trace header of any content, and never the trace of a malformed one', async () => {
    await start();
    const contract = await serveEcho();
    raw = await connect({ servers: server.url });
    for (const value of ['', 'x', '00-0-0-00', 'a'.repeat(5_000)]) {
      const sent = headers();
      sent.set('traceparent', value);
      sent.set('x-request-id', value);
      const text = JSON.stringify({ v: 1, id: 'i', input: { text: 'q' } });
      const reply = await raw.request(contract.natsSubject, text, { headers: sent, timeout: 2_000 });
      expect(reply.json()).toEqual({ v: 1, id: 'i', output: { answer: 'q' } });
    }
  });

  test.each(poison.slice(1))('takes %s as an answer for no answer', async (_name, message) => {
    await start();
    const contract = testRequest();
    raw = await connect({ servers: server.url });
    raw.subscribe(contract.natsSubject, { callback: (_, request) => void request.respond(message) });
    await raw.flush();
    expect((await unavailable(bus.request(contract, { text: 'q' }))).dependency).toBe('policy');
  });

  test('takes the answer to another request for no answer', async () => {
    await start();
    const contract = testRequest();
    raw = await connect({ servers: server.url });
    const reply = JSON.stringify({ v: 1, id: 'another', output: { answer: 'forged' } });
    raw.subscribe(contract.natsSubject, { callback: (_, request) => void request.respond(reply) });
    await raw.flush();
    await unavailable(bus.request(contract, { text: 'q' }));
  });

  test('fails when question or answer are larger than NATS allows, and goes on', async () => {
    await start('max_payload: 64KB');
    const contract = testRequest();
    bus.serve(contract, ({ text }) => ({ answer: text.repeat(70_000) }));
    await bus.ping();
    await unavailable(bus.request(contract, { text: 'q' }));
    await unavailable(bus.request(contract, { text: 'q'.repeat(70_000) }));
    expect(await bus.request(contract, { text: '' })).toEqual({ answer: '' });
  });

  test('fails at once when NATS was killed, and both sides find each other two seconds after its return', async () => {
    await start();
    const contract = await serveEcho();
    await server.kill();
    await eventually(async () => expect((await unavailable(bus.ping())).dependency).toBe('nats'));
    const started = performance.now();
    expect((await unavailable(bus.request(contract, { text: 'q' }))).dependency).toBe('nats');
    expect(performance.now() - started).toBeLessThan(generous(100));
    bus.publish(testAnnouncement(), { revision: 1 });
    await server.restart();
    await eventually(() => bus.request(contract, { text: 'q' }));
  });

  test('fails within a second while NATS is frozen, and works again after', async () => {
    await start();
    const contract = await serveEcho();
    server.pause();
    const started = performance.now();
    await Promise.all([unavailable(bus.request(contract, { text: 'q' })), unavailable(bus.ping())]);
    expect(performance.now() - started).toBeLessThan(generous(1_000));
    server.resume();
    await eventually(() => bus.request(contract, { text: 'q' }));
  });

  test('is made before its server runs, and serves when it does', async () => {
    const port = await freePort();
    link = connectNats({ url: `nats://127.0.0.1:${port}`, service: 'exchange', logger: silent });
    bus = new NatsBus(link, silent);
    const contract = testRequest();
    bus.serve(contract, ({ text }) => ({ answer: text }));
    expect((await unavailable(bus.request(contract, { text: 'q' }))).dependency).toBe('nats');
    server = await startNats({ port });
    await eventually(() => bus.request(contract, { text: 'q' }));
  });

  test('works as a user who may hear only its own inbox, which no other user can', async () => {
    await start(
      `authorization { users = [
        { user: exchange, password: "p@ss:/w", permissions: { publish: ["policy.>"], subscribe: ["_INBOX_exchange.>"] } },
        { user: policy, password: p, permissions: { subscribe: ["policy.>"], allow_responses: true, publish: { deny: ">" } } } ] }`,
      `exchange:${encodeURIComponent('p@ss:/w')}@`,
    );
    const policyLink = connectNats({ url: server.url.replace('//', '//policy:p@'), service: 'policy', logger: silent });
    const policy = new NatsBus(policyLink, silent);
    await policyLink.whenConnected();
    const contract = testRequest();
    policy.serve(contract, ({ text }) => ({ answer: text }));
    await policy.ping();
    expect(await bus.request(contract, { text: 'q' })).toEqual({ answer: 'q' });
    raw = await connect({ servers: server.url, user: 'policy', pass: 'p' });
    const refused = new Promise((resolve) => {
      raw.subscribe('_INBOX_exchange.>', { callback: (error) => resolve(error) });
    });
    expect(String(await refused)).toMatch(/permissions violation/i);
    await policy.close();
  });

  describe('gathers requests', () => {
    const texts = Array.from({ length: 32 }, (_, index) => `q${index}`);
    const askAll = (contract: ReturnType<typeof testRequest>): Promise<string[]> =>
      Promise.all(texts.map(async (text) => (await bus.request(contract, { text })).answer));

    test('into few messages, and answers as many replies', async () => {
      await start();
      const contract = testRequest(20_000, true);
      bus.serve(contract, ({ text }) => ({ answer: text }));
      raw = await connect({ servers: server.url });
      const sent: unknown[] = [];
      raw.subscribe(contract.natsSubject, { callback: (_, message) => void sent.push(message.json()) });
      await raw.flush();
      await bus.ping();
      expect(await askAll(contract)).toEqual(texts);
      await raw.flush();
      expect(sent.length).toBeLessThanOrEqual(3);
      expect(sent[0]).toMatchObject({ v: 2, items: expect.any(Array) });
      await bus.request(contract, { text: 'alone' });
      await raw.flush();
      expect(sent.at(-1)).toMatchObject({ v: 1, input: { text: 'alone' } });
    });

    test('but what must not be put twice goes by itself', async () => {
      await start();
      const contract = { ...testRequest(20_000, true), isPutOnce: ({ text }: { text: string }) => text === 'q7' };
      bus.serve(contract, ({ text }) => ({ answer: text }));
      raw = await connect({ servers: server.url });
      const sent: { v: number; input?: { text: string } }[] = [];
      raw.subscribe(contract.natsSubject, { callback: (_, message) => void sent.push(message.json()) });
      await raw.flush();
      await bus.ping();
      expect(await askAll(contract)).toEqual(texts);
      await raw.flush();
      expect(sent.filter(({ input }) => input?.text === 'q7')).toMatchObject([{ v: 1 }]);
      expect(JSON.stringify(sent).split('"q7"')).toHaveLength(2);
    });

    test('into none larger than NATS allows, and takes answers that do not fit together', async () => {
      await start('max_payload: 64KB');
      const contract = testRequest(20_000, true);
      bus.serve(contract, ({ text }) => ({ answer: text.slice(0, 2).repeat(10_000) }));
      await bus.ping();
      const long = texts.map((text) => text.padEnd(10_000, 'x'));
      const answers = await Promise.all(long.map(async (text) => (await bus.request(contract, { text })).answer));
      expect(answers).toEqual(long.map((text) => text.slice(0, 2).repeat(10_000)));
    });

    test('and asks a replica of before, which does not know messages of several, one by one', async () => {
      await start();
      const contract = testRequest(20_000, true);
      raw = await connect({ servers: server.url });
      const answer = (text: string): string => {
        const { v, id, input } = JSON.parse(text) as { v: number; id: string; input: { text: string } };
        if (v !== 1) return '{"v":1,"id":"-","error":"malformed"}';
        return JSON.stringify({ v, id, output: { answer: input.text } });
      };
      raw.subscribe(contract.natsSubject, { callback: (_, request) => void request.respond(answer(request.string())) });
      await raw.flush();
      expect(await askAll(contract)).toEqual(texts);
    });

    const forgeries: [string, (request: { id: string; items: unknown[] }) => object][] = [
      [
        'for another message',
        ({ items }) => ({ v: 2, id: 'x', items: items.map(() => ({ output: { answer: 'x' } })) }),
      ],
      ['with one too few', ({ id, items }) => ({ v: 2, id, items: items.slice(1).map(() => ({ output: {} })) })],
      ['without a list', ({ id }) => ({ v: 2, id, items: {} })],
      ['of one for all', ({ id }) => ({ v: 1, id, output: { answer: 'x' } })],
    ];
    test.each(forgeries)('and takes a reply %s for no answer', async (_name, forge) => {
      await start();
      const contract = testRequest(20_000, true);
      raw = await connect({ servers: server.url });
      const callback = (_: unknown, request: Msg): void => void request.respond(JSON.stringify(forge(request.json())));
      raw.subscribe(contract.natsSubject, { callback });
      await raw.flush();
      await Promise.all(texts.map((text) => unavailable(bus.request(contract, { text }))));
    });

    test('and answers what is wrong with such a message as with any other', async () => {
      await start();
      const [gathering, single] = [testRequest(800, true), testRequest()];
      for (const contract of [gathering, single]) bus.serve(contract, ({ text }) => ({ answer: text }));
      await bus.ping();
      raw = await connect({ servers: server.url });
      const ask = async (natsSubject: string, message: string): Promise<unknown> =>
        (await raw.request(natsSubject, message, { timeout: 5_000 })).json();
      const message = '{"v":2,"id":"a","items":[{"input":{"text":"q"}},{"input":{"text":7}},{}]}';
      expect(await ask(gathering.natsSubject, message)).toEqual({
        v: 2,
        id: 'a',
        items: [{ output: { answer: 'q' } }, { error: 'malformed' }, { error: 'malformed' }],
      });
      const malformed = { v: 1, id: '-', error: 'malformed' };
      expect(await ask(single.natsSubject, message)).toEqual(malformed);
      const many = Array(65).fill('{"input":{"text":"q"}}').join(',');
      for (const items of ['[]', '{}', '[1]', `[${many}]`])
        expect(await ask(gathering.natsSubject, `{"v":2,"id":"a","items":${items}}`)).toEqual(malformed);
    });

    test('and loses to a replica that hangs only what that one was asked', async () => {
      await start();
      const contract = testRequest(3_000, true);
      bus.serve(contract, ({ text }) => ({ answer: text }));
      raw = await connect({ servers: server.url });
      const lost = new Set<string>();
      let noticed = (): void => undefined;
      raw.subscribe(contract.natsSubject, {
        queue: 'policy',
        callback: (_, message) => {
          const { input, items } = message.json<{ input?: { text: string }; items?: { input: { text: string } }[] }>();
          for (const one of items ?? [{ input: input as { text: string } }]) lost.add(one.input.text);
          noticed();
        },
      });
      await raw.flush();
      await bus.ping();
      const asked: Promise<[string, boolean]>[] = [];
      // One after the other, so that there are many messages; nobody waits for those that went to the wrong one.
      for (let number = 0; lost.size === 0 || number < 100; number += 1) {
        const text = `q${number}`;
        const answer = bus.request(contract, { text });
        asked.push(
          answer.then(
            () => [text, true] as [string, boolean],
            () => [text, false] as [string, boolean],
          ),
        );
        await Promise.race([asked.at(-1), new Promise<void>((resolve) => void (noticed = resolve))]);
      }
      const outcomes = await Promise.all(asked);
      expect(outcomes.filter(([, answered]) => !answered).map(([text]) => text)).toEqual([...lost]);
      expect(lost.size).toBeLessThan(outcomes.length);
    });

    test('and lets them be answered before it is closed', async () => {
      await start();
      const contract = testRequest(20_000, true);
      const serving = new NatsBus(connectNats({ url: server.url, service: 'serving', logger: silent }), silent);
      serving.serve(contract, ({ text }) => ({ answer: text }));
      await eventually(() => serving.ping());
      const answers = askAll(contract);
      await bus.close();
      expect(await answers).toEqual(texts);
      await serving.close();
    });
  });

  test('lets a handler finish that runs when it is closed', async () => {
    await start();
    const asking = new NatsBus(connectNats({ url: server.url, service: 'asking', logger: silent }), silent);
    const contract = testRequest(5_000);
    let release = (): void => undefined;
    const entered = new Promise<void>((resolve) => {
      bus.serve(contract, async ({ text }) => {
        await new Promise<void>((go) => {
          release = go;
          resolve();
        });
        return { answer: text };
      });
    });
    await bus.ping();
    await eventually(() => asking.ping());
    const answer = asking.request(contract, { text: 'q' });
    await entered;
    const closed = bus.close();
    release();
    expect(await answer).toEqual({ answer: 'q' });
    await closed;
    await asking.close();
  });
});

describe('admin access over the bus', () => {
  const setUp = () => {
    const bus = new InProcessBus(silent);
    const asked = { keys: 0 };
    let now = 0;
    const access = new BusAdminAccess(bus, () => now);
    bus.serve(getVerificationKeys, () => ({ issuer: 'i', keys: [{ kty: 'EC', kid: `${++asked.keys}` }] }));
    return { bus, access, asked, advance: (seconds: number) => void (now += seconds * 1000) };
  };

  test('asks for the keys once in 30 seconds, however many ask', async () => {
    const { access, asked, advance } = setUp();
    await Promise.all([access.verificationKeys(), access.verificationKeys()]);
    advance(29.9);
    expect(await access.verificationKeys()).toEqual([{ kty: 'EC', kid: '1' }]);
    expect(asked.keys).toBe(1);
    advance(0.2);
    expect(await access.verificationKeys()).toEqual([{ kty: 'EC', kid: '2' }]);
  });

  test('asks again once the keys are said to have changed, and after a failure', async () => {
    const { bus, access, asked } = setUp();
    await access.verificationKeys();
    bus.publish(verificationKeysChanged, {});
    await eventually(async () => {
      await access.verificationKeys();
      expect(asked.keys).toBe(2);
    });
    const alone = new InProcessBus(silent);
    const later = new BusAdminAccess(alone, () => 0);
    await expect(later.verificationKeys()).rejects.toThrow(UnavailableError);
    alone.serve(getVerificationKeys, () => ({ issuer: 'i', keys: [] }));
    expect(await later.verificationKeys()).toEqual([]);
  });

  test('allows what policy allows, and nothing when policy is away', async () => {
    const { bus, access } = setUp();
    const request = {
      policies: ['p'],
      roles: [] as string[],
      limitedTo: null,
      claims: {},
      action: 'Iam:Read',
      resource: 'countersign:*',
      sourceIp: null,
    } as const;
    await expect(access.isAllowed({ ...request, policies: ['p'] })).rejects.toThrow(UnavailableError);
    bus.serve(authorizeAdmin, ({ policies }) => ({ allowed: policies.includes('p') }));
    expect(await access.isAllowed({ ...request, policies: ['p'] })).toBe(true);
    expect(await access.isAllowed({ ...request, policies: ['q'] })).toBe(false);
  });
});
