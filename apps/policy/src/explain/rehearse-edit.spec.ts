import { compileSnapshot, withRole, type CountersignDocument, type RoleDocument } from '@countersign/policy-engine';
import type { AskedExchange } from '../recorded/recorded-exchange';
import type { TimeRange } from '../recorded/recorded-exchanges';
import { rehearseEdit } from './rehearse-edit';

const iss = 'https://issuer.example';
const HOUR_MS = 3_600_000;
const to = new Date('2026-11-20T00:00:00Z');

const role = (refs: string[]): RoleDocument => ({
  kind: 'Role',
  name: 'deploy',
  spec: {
    ...{ policy: ['p'], principal: null, condition: { StringEqual: { 'jwt:iss': [iss], 'jwt:ref': refs } } },
    ...{ audience: [], multipleAudiences: false, maxTokenExpiry: null, allowedEvents: [], trustedIps: [], maxUses: 0 },
    ...{ shadow: false, disabled: false },
  },
});
const documents = [
  { kind: 'JwtIssuer', name: 'i', spec: { iss, platform: 'generic', disabled: false } } as CountersignDocument,
  { kind: 'Policy', name: 'p', spec: { statement: [] } } as CountersignDocument,
  role(['main']),
];
const before = compileSnapshot({ documents, publicUrl: 'https://sts.example', revision: 1 });
const after = withRole(before, role(['main', 'dev']));
if (after === null) throw new Error('the role is valid');

const exchange = (subject: string | null, ref: string): AskedExchange => ({
  ...{ eventId: '1', time: to, outcome: 'denied' as const, issuer: 'i', subject, claims: { iss, sub: subject, ref } },
  ...{ audience: [], resource: [], narrowedTo: { roles: null, policies: null, permissions: null }, sourceIp: null },
});

/** A record in which so many exchanges took place in each hour. */
function record(exchanges: AskedExchange[], perHour = 0) {
  const asked: TimeRange[] = [];
  const hoursOf = ({ from, to: end }: TimeRange): number => (end.getTime() - from.getTime()) / HOUR_MS;
  return {
    asked,
    askedWithin: async function* (range: TimeRange) {
      asked.push(range);
      yield exchanges;
    },
    count: (range: TimeRange) => Promise.resolve({ decidable: hoursOf(range) * perHour, undecidable: 0 }),
  };
}

test('counts each other subject once that is denied and would be granted', async () => {
  const seen = [
    exchange('self', 'dev'),
    ...[exchange('a', 'dev'), exchange('a', 'dev'), exchange('b', 'dev')],
    ...[exchange('c', 'other'), exchange('d', 'main')],
  ];
  const { count, sample } = await rehearseEdit(record(seen), { before, after, subject: 'self', to });
  expect({ count, sample }).toEqual({ count: 2, sample: ['a', 'b'] });
});

test('shows at most 20 of them', async () => {
  const seen = Array.from({ length: 50 }, (_, n) => exchange(`s${n}`, 'dev'));
  const { count, sample } = await rehearseEdit(record(seen), { before, after, subject: 'self', to });
  expect({ count, shown: sample.length }).toEqual({ count: 50, shown: 20 });
});

test.each([
  [0, 720],
  [100, 720],
  [500, 168],
  [1_000, 24],
  [10_000, 6],
  [1_000_000, 1],
])('with %d exchanges an hour looks back %d hours, and says so', async (perHour, hours) => {
  const seen = record([], perHour);
  const { from } = await rehearseEdit(seen, { before, after, subject: 'self', to });
  expect((to.getTime() - Date.parse(from)) / HOUR_MS).toBe(hours);
  expect(seen.asked).toEqual([{ from: new Date(from), to }]);
});
