import { exchangeEvent } from '../audit.fixture';
import { recordedEvent } from '../trail/recorded-event';
import { ocsfEvent } from './ocsf-event';

type Changes = Parameters<typeof exchangeEvent>;

const exported = (...[data, changes]: Changes): Record<string, unknown> =>
  ocsfEvent(recordedEvent(exchangeEvent(data, changes), '7'));

const granted: Changes = [
  {
    claims: { iss: 'https://token.test', sub: 'repo:acme/web' },
    token: { jti: 'the-jti', exp: '2026-11-20T10:00:00.000Z', aud: ['a'] },
    sourceIp: '203.0.113.7',
  },
];
const denied: Changes = [
  { outcome: 'denied', class: 'not authorized', reason: 'no_matching_role', detail: 'why', token: null },
  { type: 'dev.countersign.exchange.denied.v1' },
];
const voided: Changes = [{ outcome: 'voided', reason: 'not_recorded' }, { type: 'dev.countersign.exchange.voided.v1' }];
/** exactOptionalPropertyTypes: a subject is left out by taking the event apart. */
function unverified(): Record<string, unknown> {
  const { subject: _, ...event } = exchangeEvent(
    { outcome: 'denied', claims: null, unverified: { header: {}, claims: { sub: 'root' } } },
    { type: 'dev.countersign.exchange.denied.v1' },
  );
  return ocsfEvent(recordedEvent(event, '7'));
}
const applied: Changes = [{ revision: 3 }, { type: 'dev.countersign.policy.applied.v1', subject: 'policy' }];

/** What OCSF 1.3.0 requires of each class, and of the objects in it where they are there. */
const REQUIRED = ['activity_id', 'category_uid', 'class_uid', 'severity_id', 'time', 'type_uid', 'metadata'];

describe('an event as OCSF has it', () => {
  test.each<[string, () => Record<string, unknown>, number]>([
    ['granted', () => exported(...granted), 3002],
    ['denied', () => exported(...denied), 3002],
    ['voided', () => exported(...voided), 3002],
    ['refused unverified', unverified, 3002],
    ['something else', () => exported(...applied), 0],
  ])('has what its class requires: %s', (_, event, classUid) => {
    const found = event() as Record<string, number> & { metadata: unknown; user?: unknown };
    for (const name of REQUIRED) expect(found).toHaveProperty(name);
    expect(found.class_uid).toBe(classUid);
    expect(found.category_uid).toBe(Math.floor(classUid / 1_000));
    expect(found.type_uid).toBe(classUid * 100 + (found.activity_id ?? Number.NaN));
    for (const name of REQUIRED.filter((one) => one !== 'metadata')) expect(Number.isInteger(found[name])).toBe(true);
    expect(found.metadata).toMatchObject({ version: '1.3.0', product: { name: 'countersign' }, sequence: 7 });
    if (classUid !== 3002) return;
    expect(found.user).toEqual(expect.objectContaining({ name: expect.any(String) }));
    expect(found).toHaveProperty('service.name');
    expect(found.time).toBeGreaterThan(1_700_000_000_000);
  });

  test.each([
    ['granted', granted, { status_id: 1, severity_id: 1, src_endpoint: { ip: '203.0.113.7' } }],
    ['denied', denied, { status_id: 2, severity_id: 2, status_code: 'no_matching_role', status_detail: 'why' }],
    ['voided', voided, { status_id: 2, status_code: 'not_recorded' }],
  ])('tells success from failure, and why: %s', (_, event, wanted) => {
    expect(exported(...event)).toMatchObject(wanted);
  });

  test('names who was verified, and what was issued', () => {
    expect(exported(...granted)).toMatchObject({
      user: {
        uid: 'github:repo:acme/web:ref:refs/heads/main',
        name: 'repo:acme/web',
        domain: 'https://token.test',
      },
      session: { uid: 'the-jti', expiration_time: Date.parse('2026-11-20T10:00:00.000Z') },
      unmapped: { issuer: 'github', outcome: 'granted', decision: { roles: ['deploy'] } },
    });
  });

  test('takes nobody for a user whose token was not verified', () => {
    expect(unverified().user).toEqual({ name: 'unknown', type_id: 0, type: 'Unknown' });
  });

  test('shows no commitment to erased data as an address or a name', () => {
    const erased = exported(
      { erased: true, sourceIp: 'sha256:abc', claims: { sha256: 'abc' }, detail: null },
      { subject: 'sha256:abc' },
    );
    expect(erased).not.toHaveProperty('src_endpoint');
    expect(erased).toMatchObject({ user: { uid: 'sha256:abc', name: 'sha256:abc' }, unmapped: { erased: true } });
  });

  test('keeps what it has no place for', () => {
    expect(exported(...applied)).toMatchObject({ activity_name: 'policy.applied', unmapped: { revision: 3 } });
  });
});
