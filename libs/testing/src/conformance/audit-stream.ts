import { randomUUID } from 'node:crypto';
import type { AuditStreamName, CloudEvent } from '@countersign/contracts';
import type { AuditStream, ConsumeOptions, StreamedEvent } from '@countersign/messaging';
import { eventually, Recorder } from '../waiting';

export interface AuditStreamSetting {
  /** A new adapter on the same, still empty storage. */
  open(): Promise<AuditStream>;
  /** How many refusals the storage was told to keep. */
  mostRefusals: number;
  tearDown(): Promise<void>;
}

/** A valid event; `subject` tells one from another. */
export const testEvent = (subject: string, id: string = randomUUID()): CloudEvent => ({
  specversion: '1.0',
  id,
  source: 'urn:test',
  type: 'dev.countersign.exchange.granted.v1',
  subject,
  time: '2026-01-01T00:00:00Z',
  datacontenttype: 'application/json',
  data: { claims: { sub: 'ü "quoted" \\ and \n, {} and more' } },
});

/** Consumes into a recorder. */
export function recordEvents(
  stream: AuditStream,
  options: Partial<ConsumeOptions> & { durable: string },
): Recorder<StreamedEvent> {
  const recorder = new Recorder<StreamedEvent>();
  const handler = async (batch: StreamedEvent[]): Promise<void> => recorder.add(...batch);
  stream.consume({ stream: 'audit', batchSize: 50, handler, ...options });
  return recorder;
}

const subjectsOf = (events: StreamedEvent[]): (string | undefined)[] => events.map(({ event }) => event.subject);
const numbered = (count: number, from = 1): string[] => Array.from({ length: count }, (_, index) => `${index + from}`);

/** Declares the guarantees of an AuditStream as tests; every test has a storage of its own. */
export function auditStreamConformance(name: string, setUp: () => Promise<AuditStreamSetting>): void {
  describe(`${name} as an audit stream`, () => {
    let setting: AuditStreamSetting;
    let open: AuditStream[];

    const openStream = async (): Promise<AuditStream> => {
      const stream = await setting.open();
      open.push(stream);
      return stream;
    };
    const appendAll = async (stream: AuditStream, subjects: string[], to: AuditStreamName = 'audit'): Promise<void> => {
      for (const subject of subjects) await stream.append(to, testEvent(subject));
    };

    beforeEach(async () => {
      open = [];
      setting = await setUp();
    });
    afterEach(async () => {
      await Promise.all(open.map((stream) => stream.close()));
      await setting.tearDown();
    });

    test('delivers every event whole and in order, numbered from 1 without gaps', async () => {
      const stream = await openStream();
      const events = numbered(120).map((subject) => testEvent(subject));
      for (const event of events) await stream.append('audit', event);
      const received = await recordEvents(stream, { durable: 'd' }).atLeast(120);
      expect(received.map(({ event }) => event)).toEqual(events);
      expect(received.map(({ streamSequence }) => streamSequence)).toEqual(numbered(120).map(Number));
    });

    test('stores an event once, however often it is appended', async () => {
      const stream = await openStream();
      const twice = testEvent('twice');
      await Promise.all([stream.append('audit', twice), stream.append('audit', twice)]);
      await stream.append('audit', testEvent('between'));
      await stream.append('audit', twice);
      await stream.append('audit', testEvent('last'));
      const received = await recordEvents(stream, { durable: 'd' }).atLeast(3);
      expect(subjectsOf(received)).toEqual(['twice', 'between', 'last']);
      expect(received.map(({ streamSequence }) => streamSequence)).toEqual([1, 2, 3]);
    });

    test('delivers what is appended later to a consumer that waits', async () => {
      const stream = await openStream();
      const recorder = recordEvents(stream, { durable: 'd' });
      await appendAll(stream, ['1']);
      await recorder.atLeast(1);
      await appendAll(stream, ['2', '3']);
      expect(subjectsOf(await recorder.atLeast(3))).toEqual(['1', '2', '3']);
    });

    test('keeps appends of many callers at once, each once', async () => {
      const [one, other] = [await openStream(), await openStream()];
      // Again where a busy machine answered too late: the same event is kept once.
      await Promise.all(
        numbered(300).map((subject, index) => {
          const event = testEvent(subject);
          return eventually(() => (index % 2 === 0 ? one : other).append('audit', event));
        }),
      );
      const received = await recordEvents(one, { durable: 'd' }).atLeast(300);
      expect(new Set(subjectsOf(received)).size).toBe(300);
      // Several events may share a message, and its number; no number is left out.
      const numbers = received.map(({ streamSequence }) => streamSequence);
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      expect([...new Set(numbers)]).toEqual(numbered(new Set(numbers).size).map(Number));
    });

    test('keeps events that come together in their order, and those of one batch to at most its size', async () => {
      const stream = await openStream();
      await Promise.all(numbered(60).map((subject) => eventually(() => stream.append('audit', testEvent(subject)))));
      const sizes: number[] = [];
      const received = new Recorder<StreamedEvent>();
      const handler = async (batch: StreamedEvent[]): Promise<void> => {
        sizes.push(batch.length);
        received.add(...batch);
      };
      stream.consume({ stream: 'audit', durable: 'd', batchSize: 7, handler });
      expect(subjectsOf(await received.atLeast(60))).toEqual(numbered(60));
      expect(Math.max(...sizes)).toBeLessThanOrEqual(7);
    });

    test('finishes what was appended before it is closed', async () => {
      const stream = await openStream();
      const appended = Promise.allSettled(numbered(30).map((subject) => stream.append('audit', testEvent(subject))));
      await stream.close();
      open = [];
      const kept = (await appended).filter(({ status }) => status === 'fulfilled').length;
      expect(await recordEvents(await openStream(), { durable: 'd' }).atLeast(kept)).toHaveLength(30);
      expect(kept).toBe(30);
    });

    test('gives a batch again that its handler refused, until it is taken', async () => {
      const stream = await openStream();
      await appendAll(stream, ['1', '2']);
      const taken = new Recorder<StreamedEvent>();
      let refusals = 2;
      stream.consume({
        stream: 'audit',
        durable: 'd',
        batchSize: 10,
        handler: async (batch) => {
          if (refusals-- > 0) throw new Error('not now');
          taken.add(...batch);
        },
      });
      expect(new Set(subjectsOf(await taken.atLeast(2)))).toEqual(new Set(['1', '2']));
    });

    test('never makes a batch larger than asked', async () => {
      const stream = await openStream();
      await appendAll(stream, numbered(25));
      const sizes = new Recorder<number>();
      const handler = async (batch: StreamedEvent[]): Promise<void> => sizes.add(...batch.map(() => batch.length));
      stream.consume({ stream: 'audit', durable: 'd', batchSize: 7, handler });
      expect(Math.max(...(await sizes.atLeast(25)))).toBeLessThanOrEqual(7);
    });

    test('goes on where a durable consumer stopped, after a restart', async () => {
      const before = await openStream();
      await appendAll(before, ['1', '2']);
      await recordEvents(before, { durable: 'd' }).atLeast(2);
      await before.close();
      open = [];
      const after = await openStream();
      const recorder = recordEvents(after, { durable: 'd' });
      await appendAll(after, ['3']);
      expect(subjectsOf(await recorder.atLeast(1))).toEqual(['3']);
    });

    test('gives every durable name all events, and those who share a name each event once', async () => {
      const stream = await openStream();
      const alone = recordEvents(stream, { durable: 'alone' });
      const shared = new Recorder<StreamedEvent>();
      const handler = async (batch: StreamedEvent[]): Promise<void> => shared.add(...batch);
      for (let replica = 0; replica < 2; replica++)
        stream.consume({ stream: 'audit', durable: 'shared', batchSize: 3, handler });
      await appendAll(stream, numbered(40));
      expect(subjectsOf(await alone.atLeast(40))).toEqual(numbered(40));
      expect(subjectsOf(await shared.atLeast(40)).sort()).toEqual(numbered(40).sort());
    });

    test('keeps the two streams apart', async () => {
      const stream = await openStream();
      await stream.append('refusals', testEvent('refused'));
      await stream.append('audit', testEvent('granted'));
      const audit = recordEvents(stream, { durable: 'd' });
      const refusals = recordEvents(stream, { durable: 'd', stream: 'refusals' });
      expect(subjectsOf(await audit.atLeast(1))).toEqual(['granted']);
      expect(subjectsOf(await refusals.atLeast(1))).toEqual(['refused']);
    });

    test('drops the oldest refusals beyond the bound, and never one of the trail', async () => {
      const stream = await openStream();
      const count = setting.mostRefusals * 3;
      await appendAll(stream, numbered(count), 'refusals');
      await appendAll(stream, numbered(count), 'audit');
      const refusals = recordEvents(stream, { durable: 'd', stream: 'refusals' });
      const last = await refusals.atLeast(setting.mostRefusals);
      expect(last.length).toBeLessThanOrEqual(setting.mostRefusals * 2);
      expect(subjectsOf(last)).toContain(`${count}`);
      expect(subjectsOf(last)).not.toContain('1');
      expect(await recordEvents(stream, { durable: 'd' }).atLeast(count)).toHaveLength(count);
    });

    test('is ready while its storage is there', async () => {
      await expect((await openStream()).ping()).resolves.toBeUndefined();
    });
  });
}
