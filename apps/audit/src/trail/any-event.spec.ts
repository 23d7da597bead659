import { EVENT_TYPES, type CloudEvent, type RecordedEvent } from '@countersign/contracts';
import { createEvent, newTrace } from '@countersign/platform';
import { startPostgres, type TestServer } from '@countersign/testing';
import { canonicalJson, leafHash } from '@countersign/transparency-log';
import { CloudEvent as IndependentEvent } from 'cloudevents';
import * as fc from 'fast-check';
import { startAudit, until, type AuditUnderTest } from '../audit.fixture';
import { deliveredEvent } from '../deliveries/delivered-event';
import { recordedEvent } from './recorded-event';

const MOST_BYTES = 20 * 1024;
const MADE = process.env['COUNTERSIGN_SOAK'] === '1' ? 10_000 : 1_500;
/** One page. */
const STORED = 400;

const POLICY = 'dev.countersign.policy.applied.v1';

interface Row {
  sequence: string;
  event: CloudEvent;
  leaf: Buffer;
}

const eventOf = (type: CloudEvent['type'], claims: Record<string, unknown>, subject = 'github:s'): CloudEvent =>
  createEvent({
    type,
    source: 'https://sts.countersign.test',
    subject,
    data: { outcome: 'denied', claims, traceId: 't' },
    trace: newTrace(),
  });

/** Throws unless it is valid against the JSON schema of CloudEvents 1.0 and its rules of naming. */
const validate = (event: object): IndependentEvent<unknown> =>
  new IndependentEvent(JSON.parse(JSON.stringify(event)) as object, true);

it.each(EVENT_TYPES)('an event of type %s is a valid CloudEvent, as made, as recorded and as delivered', (type) => {
  const made = eventOf(type, { sub: 'x' });
  const recorded = recordedEvent(made, '42');
  const delivered = deliveredEvent(recorded, { endpointSequence: '7', chainHead: Buffer.alloc(32, 1) });
  for (const event of [made, recorded, delivered]) expect(validate(event).type).toBe(type);
  expect(validate(delivered)['endpointsequence']).toBe('7');
});

describe('AUD-05: whatever claims look like', () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 });
  const long = fc.string({ unit: 'grapheme', minLength: 1_000, maxLength: 9_000 });
  const claims = fc.dictionary<unknown>(
    fc.oneof(fc.constantFrom('sub', 'aud', '__proto__', 'constructor', 'toJSON', 'a.b/c~d', '', '\u0000'), text),
    fc.oneof(
      { weight: 20, arbitrary: fc.anything({ maxDepth: 6, withBigInt: true, withDate: true, withMap: true }) },
      { weight: 10, arbitrary: fc.jsonValue({ maxDepth: 8 }) },
      { weight: 1, arbitrary: fc.array(text, { minLength: 50, maxLength: 300 }) },
      { weight: 1, arbitrary: long },
    ),
    { maxKeys: 12 },
  );

  it('the event is made, under 20 KB', () => {
    fc.assert(
      fc.property(claims, text, (value, subject) => {
        const event = eventOf('dev.countersign.exchange.denied.v1', value, subject);
        expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(MOST_BYTES);
      }),
      { numRuns: MADE, seed: 42 },
    );
  });

  describe('in the trail', () => {
    let server: TestServer;
    let audit: AuditUnderTest;
    beforeAll(async () => {
      server = await startPostgres();
      audit = await startAudit(server);
    });
    afterAll(async () => {
      await audit.stop();
      await server.stop();
    });

    it('the event is stored as it is, none in the place of another, and stays a valid CloudEvent', async () => {
      const events = fc
        .sample(claims, { numRuns: STORED, seed: 7 })
        .map((value) => eventOf('dev.countersign.exchange.denied.v1', value));
      await Promise.all(events.map((event) => audit.stream.append('audit', event)));
      const items = await until('all of them', async () => {
        const { status, body } = await audit.call('GET', '/v1/events?limit=500');
        return status === 200 && body.items.length === STORED ? (body.items as RecordedEvent[]) : null;
      });
      const stored = new Map(items.map((event) => [event.id, event]));
      for (const event of events) {
        expect(stored.get(event.id)).toEqual({ ...JSON.parse(JSON.stringify(event)), sequence: expect.any(String) });
        validate(event);
      }
    });

    it('the hash that is stored with it is that of what is stored, also of what we did not make', async () => {
      const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(1e21, -0, 5e-324));
      const value = fc.oneof(fc.jsonValue({ maxDepth: 8 }), number);
      const data = fc.dictionary(fc.oneof(fc.constantFrom('__proto__', '10', '9', 'é', '🚀', '\ufb33'), text), value);
      const events = fc.sample(data, { numRuns: 150, seed: 9 }).flatMap((odd): CloudEvent[] => {
        const event = eventOf('dev.countersign.exchange.denied.v1', {});
        const claims = { ...event.data, claims: odd };
        return [
          { ...event, data: claims },
          { ...event, id: `${event.id}-open`, type: POLICY, data: odd },
        ];
      });
      await Promise.all(events.map((event) => audit.stream.append('audit', event)));
      const rows = await until('all of them', async () => {
        const stored = await audit.rows<Row>('SELECT sequence, event, leaf FROM audit.event WHERE leaf IS NOT NULL');
        return stored.length >= events.length + STORED ? stored : null;
      });
      for (const { sequence, event, leaf } of rows)
        expect(leafHash(canonicalJson(recordedEvent(event, sequence)))).toEqual(leaf);
    });
  });
});
