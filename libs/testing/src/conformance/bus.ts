import type { AnnouncementContract, RequestContract } from '@countersign/contracts';
import type { Bus } from '@countersign/messaging';
import { newTrace, traceFromHeaders, UnavailableError, type Trace } from '@countersign/platform';
import { z } from 'zod';
import { eventually, generous, Recorder } from '../waiting';

export interface BusSetting {
  /** A replica's bus, connected. In process all replicas share one. */
  connect(): Promise<Bus>;
  /** Lines that the adapters logged. */
  log: string[];
  tearDown(): Promise<void>;
}

interface Question {
  text: string;
  tags?: string[] | undefined;
}

let subjects = 0;

/** A contract on a subject of its own. */
export const testRequest = (timeoutMs = 800, gathers = false): RequestContract<Question, { answer: string }> => ({
  natsSubject: `policy.conformance.r${++subjects}`,
  input: z.object({ text: z.string(), tags: z.array(z.string()).optional() }),
  output: z.object({ answer: z.string() }),
  timeoutMs,
  gathers,
});

export const testAnnouncement = (): AnnouncementContract<{ revision: number }> => ({
  natsSubject: `policy.conformance.a${++subjects}`,
  payload: z.object({ revision: z.number() }),
});

/** What the asker is told, causes and stacks included. */
const everythingIn = (error: unknown): string =>
  error instanceof Error ? `${error.message} ${error.stack} ${everythingIn(error.cause)}` : String(error);

/** Declares the guarantees of a Bus as tests. */
export function busConformance(name: string, setUp: () => Promise<BusSetting>): void {
  describe(`${name} as a bus`, () => {
    let setting: BusSetting;
    let asker: Bus;
    let first: Bus;
    let second: Bus;

    beforeAll(async () => {
      setting = await setUp();
      [asker, first, second] = await Promise.all([setting.connect(), setting.connect(), setting.connect()]);
    });
    afterAll(() => setting.tearDown());

    /** The server knows of the subscriptions of both replicas. */
    const settled = async (): Promise<void> => {
      await Promise.all([first.ping(), second.ping()]);
    };

    const failure = async (work: Promise<unknown>): Promise<UnavailableError> => {
      const error = await work.then(
        () => new Error('it was answered'),
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(UnavailableError);
      return error as UnavailableError;
    };

    test('brings the answer, as the wire carries it and without members that the contract does not know', async () => {
      const contract = testRequest();
      const seen: unknown[] = [];
      first.serve(contract, (input) => {
        seen.push(input);
        return { answer: input.text.toUpperCase(), secret: 1 } as { answer: string };
      });
      await settled();
      const input = { text: 'é', tags: undefined, more: 1 };
      expect(await asker.request(contract, input)).toEqual({ answer: 'É' });
      expect(seen).toStrictEqual([{ text: 'é' }]);
    });

    test('shares requests between replicas: each is answered once', async () => {
      const contract = testRequest();
      const answered = { first: 0, second: 0 };
      first.serve(contract, ({ text }) => ({ answer: `${text}${++answered.first}` }));
      second.serve(contract, ({ text }) => ({ answer: `${text}${++answered.second}` }));
      await settled();
      await Promise.all(Array.from({ length: 100 }, () => asker.request(contract, { text: 'q' })));
      expect(answered.first + answered.second).toBe(100);
      expect(Math.min(answered.first, answered.second)).toBeGreaterThan(0);
    });

    test('announces to every replica, in order', async () => {
      const contract = testAnnouncement();
      const heard = [new Recorder<number>(), new Recorder<number>()];
      first.subscribe(contract, ({ revision }) => heard[0]?.add(revision));
      second.subscribe(contract, ({ revision }) => heard[1]?.add(revision));
      await settled();
      for (let revision = 1; revision <= 20; revision++) asker.publish(contract, { revision });
      const expected = Array.from({ length: 20 }, (_, index) => index + 1);
      for (const recorder of heard) expect(await recorder.atLeast(20)).toEqual(expected);
    });

    test('does not run a subscriber before publish has returned', async () => {
      const contract = testAnnouncement();
      const heard = new Recorder<string>();
      first.subscribe(contract, () => heard.add('heard'));
      await settled();
      asker.publish(contract, { revision: 1 });
      heard.add('published');
      expect(await heard.atLeast(2)).toEqual(['published', 'heard']);
    });

    test('gives up at the deadline of the contract, and names who did not answer', async () => {
      const contract = testRequest(150);
      first.serve(contract, () => new Promise<never>(() => undefined));
      await settled();
      const started = performance.now();
      expect((await failure(asker.request(contract, { text: 'q' }))).dependency).toBe('policy');
      const took = performance.now() - started;
      expect(took).toBeGreaterThan(100);
      expect(took).toBeLessThan(generous(1_500));
    });

    test('says at once that nobody answers', async () => {
      const started = performance.now();
      expect((await failure(asker.request(testRequest(120_000), { text: 'q' }))).dependency).toBe('policy');
      expect(performance.now() - started).toBeLessThan(60_000);
    });

    test('keeps what a handler throws from the asker, and logs it where it happened', async () => {
      const contract = testRequest();
      first.serve(contract, () => {
        throw new Error('password is hunter2');
      });
      await settled();
      expect(everythingIn(await failure(asker.request(contract, { text: 'q' })))).not.toContain('hunter2');
      await eventually(() => expect(setting.log.join('')).toContain('hunter2'));
    });

    test('refuses a request that does not fit the contract, and goes on serving', async () => {
      const contract = testRequest();
      const handled: unknown[] = [];
      first.serve(contract, (input) => {
        handled.push(input);
        return { answer: input.text };
      });
      await settled();
      await failure(asker.request(contract, { text: 7 } as unknown as Question));
      expect(await asker.request(contract, { text: 'fits' })).toEqual({ answer: 'fits' });
      expect(handled).toEqual([{ text: 'fits' }]);
    });

    test('refuses an answer that does not fit the contract', async () => {
      const contract = testRequest();
      first.serve(contract, () => ({ answer: 7 }) as unknown as { answer: string });
      await settled();
      await failure(asker.request(contract, { text: 'q' }));
    });

    test('skips an announcement that does not fit, and survives a subscriber that throws', async () => {
      const contract = testAnnouncement();
      const heard = new Recorder<number>();
      first.subscribe(contract, () => {
        throw new Error('no');
      });
      first.subscribe(contract, ({ revision }) => heard.add(revision));
      await settled();
      asker.publish(contract, { revision: 'one' } as unknown as { revision: number });
      asker.publish(contract, { revision: 2 });
      asker.publish(contract, { revision: 3 });
      expect(await heard.atLeast(2)).toEqual([2, 3]);
    });

    /** Answers with the trace that a request came in. */
    const serveTrace = async (): Promise<{ ask: (trace?: Trace) => Promise<Trace> }> => {
      const contract = testRequest();
      first.serve(contract, (_, carried) => ({ answer: JSON.stringify(traceFromHeaders(carried)) }));
      await settled();
      return {
        ask: async (trace) => JSON.parse((await asker.request(contract, { text: 'q' }, trace)).answer) as Trace,
      };
    };

    test('carries the trace of a request: same trace and request id, a span of its own', async () => {
      const { ask } = await serveTrace();
      const trace = newTrace('request-1');
      const { traceId, requestId, spanId } = await ask(trace);
      expect({ traceId, requestId }).toEqual({ traceId: trace.traceId, requestId: 'request-1' });
      expect(spanId).not.toBe(trace.spanId);
    });

    test('a request that was made in no trace has none to share with another', async () => {
      const { ask } = await serveTrace();
      const [one, two] = await Promise.all([ask(), ask()]);
      expect(one.traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(one.traceId).not.toBe(two.traceId);
    });

    test('names the trace of a request where it logs that its handler failed', async () => {
      const contract = testRequest();
      first.serve(contract, () => {
        throw new Error('no');
      });
      await settled();
      const trace = newTrace();
      await failure(asker.request(contract, { text: 'q' }, trace));
      await eventually(() => expect(setting.log.join('')).toContain(trace.traceId));
    });

    describe('of requests that gather', () => {
      /** Of many at once, what came of each. */
      const outcomes = async (contract: ReturnType<typeof testRequest>, texts: unknown[]): Promise<string[]> => {
        const asked = texts.map((text) =>
          asker.request(contract, { text } as Question, newTrace(`request-${String(text)}`)),
        );
        const settled = await Promise.allSettled(asked);
        return settled.map((one) => (one.status === 'fulfilled' ? one.value.answer : 'unavailable'));
      };

      test('answers each with its own answer, in its own trace', async () => {
        const contract = testRequest(20_000, true);
        const seen = new Map<string, string>();
        first.serve(contract, async ({ text }, { requestId = '' }) => {
          // The answers are ready in another order than that of the questions.
          for (let turns = text.length % 3; turns > 0; turns -= 1) await Promise.resolve();
          seen.set(text, requestId);
          return { answer: `to ${text}` };
        });
        await settled();
        const texts = Array.from({ length: 300 }, (_, index) => 'q'.repeat(index % 5) + String(index));
        expect(await outcomes(contract, texts)).toEqual(texts.map((text) => `to ${text}`));
        expect([...seen.entries()].sort()).toEqual(texts.map((text) => [text, `request-${text}`]).sort());
      });

      test('keeps what is wrong with one from the others', async () => {
        const contract = testRequest(2_000, true);
        first.serve(contract, ({ text }) => {
          if (text === 'throws') throw new Error('no');
          if (text === 'hangs') return new Promise<never>(() => undefined);
          return { answer: text === 'misfits' ? (7 as unknown as string) : text };
        });
        await settled();
        const wrong = ['throws', 7, 'hangs', 'misfits'];
        const texts = wrong.flatMap((one, index) => [`a${index}`, one, `b${index}`]);
        const expected = texts.map((text) => (wrong.includes(text) ? 'unavailable' : text));
        expect(await outcomes(contract, texts)).toEqual(expected);
      });

      test('gives up on each at its deadline', async () => {
        const contract = testRequest(150, true);
        first.serve(contract, () => new Promise<never>(() => undefined));
        await settled();
        const started = performance.now();
        expect(await outcomes(contract, ['a', 'b', 'c'])).toEqual(Array(3).fill('unavailable'));
        expect(performance.now() - started).toBeLessThan(generous(1_500));
      });
    });

    test('shares nothing but text: what one side changes, the other does not see', async () => {
      const contract = testRequest();
      const input = { text: 'q', tags: ['a'] };
      first.serve(contract, (received) => {
        received.tags?.push('changed');
        return { answer: '' };
      });
      await settled();
      await asker.request(contract, input);
      expect(input.tags).toEqual(['a']);
    });

    test('after close it neither asks nor is ready', async () => {
      const bus = await setting.connect();
      await bus.close();
      await failure(bus.request(testRequest(), { text: 'q' }));
      await failure(bus.ping());
    });
  });
}
