import { cloudEventSchema } from '@countersign/contracts';
import { seeded } from '@countersign/testing';
import { createEvent, newTrace } from './index';

const MOST_BYTES = 20 * 1024;

const eventOf = (data: Record<string, unknown>, subject: string | null = 'github:s') =>
  createEvent({
    type: 'dev.countersign.exchange.denied.v1',
    source: 'https://sts.test',
    subject,
    data,
    trace: newTrace(),
  });

const ALPHABET = ['a', '"', '\\', '\u0000', '\u0001', '\u202e', 'é', '中', '😀', '\ud800', '\udfff', '\n', '='];
const NAMES = ['sub', '__proto__', 'constructor', 'toJSON', 'a.b/c~d', 'https://x.test/claims', '', '\u0000', '😀'];

function anyValue(random: () => number, depth = 0): unknown {
  const below = (limit: number): number => Math.floor(random() * limit);
  const text = (): string =>
    Array.from({ length: below(random() < 0.05 ? 4_000 : 12) }, () => ALPHABET[below(ALPHABET.length)]).join('');
  const many = (): number => below(depth === 0 && random() < 0.1 ? 300 : 5);
  const scalars = [
    text(),
    random() * 10 ** below(300),
    -0,
    NaN,
    Infinity,
    true,
    null,
    undefined,
    10n,
    Symbol('s'),
    text,
  ];
  const kind = below(depth > 3 || random() < 0.4 ? 1 : 3);
  if (kind === 1) return Array.from({ length: many() }, () => anyValue(random, depth + 1));
  if (kind === 2) {
    const names = Array.from({ length: many() }, () => (random() < 0.5 ? NAMES[below(NAMES.length)] : text()) ?? '');
    return Object.fromEntries(names.map((name) => [name, anyValue(random, depth + 1)]));
  }
  return scalars[below(scalars.length)];
}

function depthOf(value: unknown): number {
  return typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
}

function expectFit(event: ReturnType<typeof createEvent>): void {
  const text = JSON.stringify(event);
  expect(Buffer.byteLength(text)).toBeLessThan(MOST_BYTES);
  expect(text).not.toMatch(/\\u0000|\\ud[89a-f]/i);
  expect(cloudEventSchema.safeParse(JSON.parse(text)).success).toBe(true);
  expect(depthOf(event.data)).toBeLessThan(12);
}

it('AUD-05: whatever claims and parameters look like, the event is bounded, valid and fit for jsonb', () => {
  const random = seeded(42);
  for (let round = 0; round < 200; round += 1) {
    const [claims, request, unverified] = [anyValue(random), anyValue(random), anyValue(random)];
    expectFit(eventOf({ outcome: 'denied', claims, request, unverified, traceId: 't' }, String(anyValue(() => 0.1))));
  }
  expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
});

const deep = (depth: number): unknown => Array.from({ length: depth }).reduce((inner) => [inner], 'x' as unknown);
const wide = (depth: number): unknown => (depth === 0 ? 1.797e308 : Array.from({ length: 100 }, () => wide(depth - 1)));
const tree = (depth: number): unknown =>
  depth === 0 ? 1.797e308 : Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`n${at}`, tree(depth - 1)]));

it.each([
  ['control characters', '\u0001'.repeat(100_000)],
  ['quotes', '"'.repeat(100_000)],
  ['characters of three bytes', '中'.repeat(100_000)],
  ['characters of four bytes', '😀'.repeat(100_000)],
  ['long numbers', Array.from({ length: 1_000 }, () => -1.7976931348623157e308)],
  ['wide lists in lists', wide(2)],
  ['many members within each other', tree(5)],
  ['long names', Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`${at}${'\u0001'.repeat(5_000)}`, 1]))],
  ['nesting that overflows stacks', deep(100_000)],
])('AUD-05: %s in every member do not make an event large, nor lose its small members', (_, value) => {
  const event = eventOf(
    { claims: { value }, request: { value }, decision: { value }, token: { value }, detail: value, traceId: 't' },
    typeof value === 'string' ? value : null,
  );
  expectFit(event);
  expect(event.data).toMatchObject({ claims: expect.any(Object), request: expect.any(Object), traceId: 't' });
});

it('what is cut keeps its type and its names, so that readers with a schema can read it', () => {
  const long = Array.from({ length: 5_000 }, (_, at) => `role-${at}-${'x'.repeat(200)}`);
  const decision = { roles: long, shadowRoles: long, policies: long, statements: [], revision: 12 };
  expect(eventOf({ decision, claims: { sub: 'x' } }).data).toMatchObject({
    decision: { shadowRoles: expect.any(Array), policies: expect.any(Array), statements: [], revision: 12 },
    claims: { sub: 'x' },
  });
});

it('claims of ten kilobytes are kept whole when nothing else is large', () => {
  const claims = Object.fromEntries(Array.from({ length: 80 }, (_, at) => [`claim-${at}`, 'v'.repeat(100)]));
  expect(eventOf({ claims, traceId: 't' }).data['claims']).toEqual(claims);
});

it.each([
  ['a long text', { value: 'v'.repeat(3_000) }],
  ['a long list', { value: Array.from({ length: 101 }, () => 'v') }],
  ['many members', Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`m${at}`, at]))],
  ['a long name', { ['n'.repeat(3_000)]: 1 }],
  ['deep nesting', deep(20)],
  ['a NUL', { value: 'a\u0000b' }],
  ['what looks like a token', { value: `eyJhbGciOiJub25lIn0.${'e'.repeat(40)}.${'s'.repeat(40)}` }],
  ['more than fits', Object.fromEntries(Array.from({ length: 90 }, (_, at) => [`m${at}`, 'v'.repeat(1_000)]))],
])('says which member was shortened: one with %s', (_, claims) => {
  expect(eventOf({ claims, traceId: 't' }).data).toMatchObject({ shortened: ['claims'] });
});

it('says nothing of shortening where nothing was', () => {
  expect(eventOf({ claims: { value: 'v'.repeat(2_000), list: [1, null, true] } }).data).not.toHaveProperty('shortened');
});
