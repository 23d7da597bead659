import { crossCheck, parseDocument, type ParsedDocument } from '@countersign/contracts';
import type { Steps } from '@countersign/policy-engine';
import fc from 'fast-check';
import { brokenRoles, neighboursOf, type ChangedDocuments } from './affected-documents';
import { keyOf } from './plan-changes';
import type { StoredState } from './stored-documents';
import { written, writtenPolicy } from './written.fixture';

const issuers = ['https://one.example', 'https://two.example'];

function parsed(raw: object): ParsedDocument {
  const result = parseDocument(raw);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.document;
}

const some = <T>(items: readonly T[]) => fc.subarray([...items], { minLength: 1 });
const policy = fc.constantFrom('p', 'q', 'r').map((name) => parsed(writtenPolicy(name)));
const issuer = fc
  .tuple(fc.constantFrom('i', 'j', 'k'), fc.constantFrom(...issuers), fc.subarray(['org', 'team']))
  .map(([name, iss, pins]) => parsed(written('JwtIssuer', name, { iss, aud: ['ci'], pins })));
const role = fc
  .tuple(fc.constantFrom('a', 'b', 'c', 'd'), some(['p', 'q', 'r']), some(issuers), fc.subarray(['org', 'team']))
  .map(([name, policies, iss, claims]) => {
    const pins = Object.fromEntries(claims.map((claim) => [`jwt:${claim}`, ['x']]));
    return parsed(written('Role', name, { policy: policies, condition: { StringEqual: { 'jwt:iss': iss, ...pins } } }));
  });
const documents = (maxLength: number) =>
  fc.uniqueArray(fc.oneof(role, role, policy, issuer), { selector: keyOf, maxLength });

const change = fc.record({
  stored: documents(10),
  written: documents(3),
  failed: fc.subarray(['p', 'q']),
  removed: fc.subarray(['Policy/p', 'Policy/q', 'JwtIssuer/i', 'Role/a']),
});

const storedOf = (all: readonly ParsedDocument[]): StoredState['documents'] =>
  new Map(
    all.map((document) => {
      const { kind, name } = document;
      return [keyOf(document), { kind, name, owner: 'api', raw: '{}', etag: '', revision: 1, since: 1, document }];
    }),
  );

function drain<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

const place = ({ kind, name, path, code }: { kind: string | null; name: string | null; path: string; code: string }) =>
  `${kind}/${name} ${path} ${code}`;

test('what a change breaks, and what is wrong with it, is the same as a check of all documents would find', () => {
  const seen = { broken: 0, wrong: 0 };
  fc.assert(
    fc.property(change, ({ stored, written: given, failed, removed: named }) => {
      const failedPolicies = failed.map((name) => ({ kind: 'Policy' as const, name, spec: { statement: [] } }));
      const keys = new Set(given.map(keyOf));
      const removed = stored.filter((document) => named.includes(keyOf(document)) && !keys.has(keyOf(document)));
      const changed: ChangedDocuments = { written: given, removed, failedPolicies };
      const kept = stored.filter((document) => !keys.has(keyOf(document)) && !removed.includes(document));
      const after = crossCheck([...kept, ...failedPolicies, ...given]);
      const known = new Set(crossCheck(stored).map(place));

      const broken = drain(brokenRoles(storedOf(stored), changed)).map(place);
      const expected = after.filter(({ document }) => document < kept.length).map(place);
      expect(broken).toEqual(expected.filter((error) => !known.has(error)));

      const neighbours = drain(neighboursOf(storedOf(stored), changed));
      const found = crossCheck([...neighbours, ...given]).filter(({ document }) => document >= neighbours.length);
      const wrong = after.filter(({ document }) => document >= kept.length + failedPolicies.length);
      expect(found.map(place)).toEqual(wrong.map(place));
      seen.broken += broken.length;
      seen.wrong += wrong.length;
    }),
    { seed: 20_261_122, numRuns: 2_000 },
  );
  expect(Math.min(seen.broken, seen.wrong)).toBeGreaterThan(100);
});

test('the stored Roles are looked at only when a Policy goes or an issuer gets pins', () => {
  const stored = storedOf([
    parsed(writtenPolicy('p')),
    parsed(written('JwtIssuer', 'i', { iss: issuers[0], aud: ['ci'] })),
  ]);
  const steps = (given: ParsedDocument[], removed: ParsedDocument[] = []) => {
    const looked = jest.fn((entries: typeof stored) => entries[Symbol.iterator]());
    const watched = new Map(stored);
    watched[Symbol.iterator] = () => looked(stored);
    drain(brokenRoles(watched, { written: given, removed, failedPolicies: [] }));
    return looked.mock.calls.length > 0;
  };
  const pinning = (pins: string[]) => parsed(written('JwtIssuer', 'i', { iss: issuers[0], aud: ['ci'], pins }));
  expect(steps([parsed(writtenPolicy('p')), pinning([])])).toBe(false);
  expect(steps([pinning(['org'])])).toBe(true);
  expect(steps([], [parsed(writtenPolicy('p'))])).toBe(true);
});
