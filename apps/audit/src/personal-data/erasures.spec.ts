import { randomBytes } from 'node:crypto';
import { Logger } from '@countersign/platform';
import { startPostgres, type TestServer } from '@countersign/testing';
import { canonicalJson, leafHash, verifyInclusion, withCommitments } from '@countersign/transparency-log';
import {
  ENVIRONMENT,
  exchangeEvent,
  Receiver,
  startAudit,
  until,
  type Answer,
  type AuditUnderTest,
} from '../audit.fixture';
import { AuditConfig } from '../config';
import { LogSettings } from '../log/log-settings';
import { EventReader } from '../trail/event-reader';
import { SubjectKeys } from './subject-keys';

const QUICK = Object.assign(new LogSettings(), { intervalMs: 20, witnessIntervalMs: 0 });
const EMILY = { issuer: 'corp', subject: 'emily.strange' };
const REASON = 'asked for on 2026-11-20';

let server: TestServer;
let audit: AuditUnderTest;

/** Of somebody at `corp`; all that is personal names her. */
function eventOf(name: string, changes: Parameters<typeof exchangeEvent>[1] = {}): ReturnType<typeof exchangeEvent> {
  const claims = { iss: 'https://corp.test', sub: name, email: `${name}@corp.test` };
  const data = { issuer: 'corp', claims, sourceIp: `addr-of-${name}`, detail: `claim sub is ${name}` };
  return exchangeEvent(data, { subject: `corp:${name}`, ...changes });
}

/** A stranger says that they are her. */
function claimedBy(name: string): ReturnType<typeof exchangeEvent> {
  const unverified = { header: { kid: `key-of-${name}` }, claims: { iss: 'https://corp.test', sub: name } };
  const data = { outcome: 'denied', issuer: 'corp', claims: null, unverified, decision: null };
  const { subject: _, ...event } = exchangeEvent(data, { type: 'dev.countersign.exchange.denied.v1' });
  return event;
}

/** Events that the consumers have before them. */
const BEHIND = `SELECT count(*)::int AS count FROM embedded.stream_event e JOIN embedded.stream_consumer c USING (stream)
  WHERE e.sequence > c.position`;

const events = {
  hers: eventOf('emily.strange'),
  asked: exchangeEvent(
    { outcome: 'denied', subject: { type: 'user', id: 'corp:emily.strange' }, sourceIp: 'addr-of-emily.strange' },
    { type: 'dev.countersign.decision.denied.v1', subject: 'corp:emily.strange' },
  ),
  claimed: claimedBy('emily.strange'),
  others: eventOf('emily.strange2'),
};

const get = async (id: string): Promise<any> => (await audit.call('GET', `/v1/events/${id}`)).body; // eslint-disable-line @typescript-eslint/no-explicit-any -- judged by the tests
const listed = async (subject: string): Promise<string[]> => {
  const { body } = await audit.call('GET', `/v1/events?subject=${encodeURIComponent(subject)}`);
  return body.items.map(({ id }: { id: string }) => id);
};
const erase = (body: object): Promise<Answer> => audit.call('POST', '/v1/erasures', body);
const store = async (...wanted: ReturnType<typeof exchangeEvent>[]): Promise<void> => {
  for (const event of wanted) await audit.stream.append('audit', event);
  for (const { id } of wanted) {
    await until('the event', async () => (await audit.call('GET', `/v1/events/${id}`)).status === 200);
  }
};

/** Whether the entry that the answer's proof is about is the event as it is shown, and in the log. */
async function isProved(id: string): Promise<boolean> {
  const { body } = await until('a checkpoint', async () => {
    const answer = await audit.call('GET', `/v1/events/${id}/proof`);
    return answer.status === 200 ? answer : null;
  });
  const { data, ...event } = await get(id);
  const { erased: _, ...kept } = data;
  const { salt, members } = body.commitments ?? { salt: '', members: [] };
  const entry = withCommitments({ ...event, data: kept }, { salt: Buffer.from(salt, 'base64'), members });
  const [root, ...proof] = [body.root, ...body.proof].map((text: string) => Buffer.from(text, 'base64'));
  const leaf = leafHash(canonicalJson(entry));
  return verifyInclusion({ leaf, index: body.index, size: body.size, root: root as Buffer, proof });
}

/** The tables of these schemas that have the text anywhere. */
async function tablesWith(text: string, ...schemas: string[]): Promise<string[]> {
  const tables = await audit.rows<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = ANY ($1)`,
    [schemas],
  );
  const found = tables.map(async ({ name }) => {
    const sql = `SELECT count(*)::int AS count FROM ${name} t WHERE t::text LIKE $1 OR t::text LIKE $2`;
    const hex = Buffer.from(text).toString('hex');
    const [row] = await audit.rows<{ count: number }>(sql, [`%${text}%`, `%${hex}%`]);
    return row?.count === 0 ? [] : [name];
  });
  return (await Promise.all(found)).flat();
}

beforeAll(async () => {
  server = await startPostgres();
  audit = await startAudit(server, {}, { log: QUICK });
  await store(...Object.values(events));
});
afterAll(async () => {
  await audit?.stop();
  await server?.stop();
});

describe('personal data in the trail', () => {
  test('is shown, found by its subject and proved, and stands in no table in the clear', async () => {
    expect(await get(events.hers.id)).toEqual({ ...events.hers, sequence: '1' });
    expect(await get(events.claimed.id)).toEqual({ ...events.claimed, sequence: '3' });
    expect(await listed('corp:emily.strange')).toEqual([events.asked.id, events.hers.id]);
    for (const { id } of Object.values(events)) expect(await isProved(id)).toBe(true);
    expect(await tablesWith('emily', 'audit')).toEqual([]);
  });

  test('is in no entry of the log, so that exports can be kept', async () => {
    const entries = (await audit.bytes('/v1/tile/entries/000.p/4')).toString();
    expect(entries).toContain(events.hers.id);
    expect(entries).not.toContain('emily');
  });

  test('is shown only as it was committed to: sealed data of another event is not believed', async () => {
    const [other, own] = [eventOf('mallory', {}), eventOf('mallory', {})];
    other.data.sourceIp = 'addr-elsewhere';
    await store(other, own);
    await audit.rows('ALTER TABLE audit.event DISABLE TRIGGER append_only');
    await audit.rows(
      'UPDATE audit.event SET sealed = (SELECT sealed FROM audit.event WHERE event_id = $1) WHERE event_id = $2',
      [other.id, own.id],
    );
    await audit.rows('ALTER TABLE audit.event ENABLE ALWAYS TRIGGER append_only');
    expect((await get(own.id)).data).toMatchObject({ sourceIp: expect.stringMatching(/^sha256:[\w-]{43}$/) });
    expect((await get(own.id)).data).not.toHaveProperty('erased');
  });

  test('outlives the encryption key that it was stored under, as long as that one is named once', async () => {
    const [before, after] = [ENVIRONMENT.COUNTERSIGN_ENCRYPTION_KEY, randomBytes(32).toString('base64')];
    const seenWith = async (key: string, previous: string): Promise<unknown> => {
      const settings = { COUNTERSIGN_ENCRYPTION_KEY: key, COUNTERSIGN_PREVIOUS_ENCRYPTION_KEY: previous };
      const config = new AuditConfig({ ...ENVIRONMENT, ...settings });
      const keys = new SubjectKeys(audit.database, new Logger('audit', 'silent'), config);
      return (await new EventReader(audit.database, keys).find(events.hers.id))?.subject;
    };
    expect(await seenWith(before, '')).toBe('corp:emily.strange');
    expect(await seenWith(after, before)).toBe('corp:emily.strange');
    expect(await seenWith(after, '')).toBe('corp:emily.strange');
    expect(await seenWith(before, after)).toBe('corp:emily.strange');
  });
});

describe('POST /v1/erasures', () => {
  test.each<[string, object, string]>([
    ['nothing', {}, '/issuer'],
    ['no reason', EMILY, '/reason'],
    ['an empty subject', { ...EMILY, subject: '', reason: REASON }, '/subject'],
    ['a NUL', { ...EMILY, subject: 'a\0', reason: REASON }, '/subject'],
    ['something else', { ...EMILY, reason: REASON, all: true }, '/all'],
  ])('refuses %s with 422', async (_, body, path) => {
    const { status, body: problem } = await erase(body);
    expect([status, problem.errors.map((error: { path: string }) => error.path)]).toEqual([
      422,
      expect.arrayContaining([path]),
    ]);
  });

  test('is refused without the right to it', async () => {
    expect((await audit.call('POST', '/v1/erasures', {}, null)).status).toBe(401);
  });

  test('removes nothing while policy, which has a record of its own, does not answer: 503', async () => {
    audit.policy.answers = false;
    const { status, headers } = await erase({ ...EMILY, reason: REASON });
    audit.policy.answers = true;
    expect([status, headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    expect(await get(events.hers.id)).toMatchObject({ subject: 'corp:emily.strange' });
  });

  test('leaves nothing of the subject readable, changes no leaf, and touches nobody else', async () => {
    const proofs = async () =>
      Promise.all(Object.values(events).map(({ id }) => audit.call('GET', `/v1/events/${id}/proof`)));
    await until('the stream to be read', async () => (await audit.rows<{ count: number }>(BEHIND))[0]?.count === 0);
    const before = (await proofs()).map(({ body }) => body.leafHash);
    expect((await erase({ ...EMILY, reason: REASON })).body).toEqual({ erased: 3 });
    for (const { id } of [events.hers, events.asked, events.claimed]) {
      const event = await get(id);
      expect(JSON.stringify(event)).not.toContain('emily');
      expect(event.data).toMatchObject({ erased: true });
      expect(await isProved(id)).toBe(true);
    }
    expect((await get(events.hers.id)).data.claims).toEqual({ sha256: expect.stringMatching(/^[\w-]{43}$/) });
    expect((await proofs()).map(({ body }) => body.leafHash)).toEqual(before);
    expect(await listed('corp:emily.strange')).toEqual([]);
    expect(await listed('corp:emily.strange2')).toEqual([events.others.id]);
    expect(await get(events.others.id)).toEqual({ ...events.others, sequence: '4' });
    expect(audit.policy.forgotten).toEqual([EMILY]);
    expect(await tablesWith('emily', 'audit', 'embedded', 'public')).toEqual([]);
    expect(await audit.metric('countersign_audit_trail_tampered')).toBe(0);
  });

  test('is recorded without the name of the subject, and can be asked for again', async () => {
    expect((await erase({ ...EMILY, reason: REASON })).body).toEqual({ erased: 0 });
    const recorded = await until('both records', async () => {
      const { body } = await audit.call('GET', '/v1/events?type=dev.countersign.audit.erased.v1');
      return body.items.length === 2 ? body.items : null;
    });
    expect(recorded.map(({ data }: { data: object }) => data)).toMatchObject([
      { erased: 0, reason: REASON, author: 'bootstrap' },
      { erased: 3, reason: REASON, author: 'bootstrap' },
    ]);
    expect(recorded[0].data.subjectId).toBe(recorded[1].data.subjectId);
    expect(JSON.stringify(recorded)).not.toContain('emily');
  });

  test('is about the past: what the subject does later is recorded, and can be removed again', async () => {
    const later = eventOf('emily.strange');
    await store(later);
    expect(await listed('corp:emily.strange')).toEqual([later.id]);
    expect(await get(events.hers.id)).toMatchObject({ data: { erased: true } });
    expect((await erase({ ...EMILY, reason: REASON })).body).toEqual({ erased: 1 });
    expect(await listed('corp:emily.strange')).toEqual([]);
  });
});

/** As the trail tells it: of an answer that a busy machine did not get, too. */
const ERASED = `SELECT coalesce(sum((event #>> '{data,erased}')::int), 0)::int AS count FROM audit.event
  WHERE type = 'dev.countersign.audit.erased.v1' AND event #>> '{data,reason}' = $1`;

test('while events keep coming, each is made unreadable by one erasure, and none by a key that is already gone', async () => {
  const ada = { issuer: 'corp', subject: 'ada', reason: 'while events keep coming' };
  const coming = Array.from({ length: 150 }, () => eventOf('ada'));
  let isComing = true;
  const eraseAll = async (): Promise<void> => {
    while (isComing) await erase(ada);
  };
  const erasing = [eraseAll(), eraseAll(), eraseAll()];
  for (const event of coming) await audit.stream.append('audit', event);
  await store(eventOf('the last'));
  isComing = false;
  await Promise.all(erasing);
  await until('the last erasure', async () => (await erase(ada)).status === 200);
  await until('the stream to be read', async () => (await audit.rows<{ count: number }>(BEHIND))[0]?.count === 0);
  expect(await audit.rows(ERASED, [ada.reason])).toEqual([{ count: coming.length }]);
});

interface Body {
  id: string;
  chainhead: string;
}

test('a delivery made again after the erasure carries the erased event', async () => {
  const receiver = new Receiver((response) => response.end());
  const url = await receiver.start();
  try {
    await audit.call('POST', '/v1/webhooks', { url });
    const event = eventOf('grace');
    await store(event);
    const bodies = (): Body[] =>
      receiver.received.map(({ body }) => JSON.parse(body) as Body).filter(({ id }) => id === event.id);
    await until('the delivery', () => bodies().length === 1);
    const [first] = bodies();
    expect(first).toMatchObject({ subject: 'corp:grace', data: event.data });
    const { body: hooks } = await audit.call('GET', '/v1/webhooks');
    await erase({ issuer: 'corp', subject: 'grace', reason: REASON });
    const { body: page } = await audit.call('GET', `/v1/webhooks/${hooks.items[0].id}/deliveries`);
    const { id } = page.items.find(({ eventId }: { eventId: string }) => eventId === event.id);
    await until(
      'its end',
      async () => (await audit.call('POST', `/v1/deliveries/${id}/redeliver`)) && bodies().length >= 2,
    );
    expect(bodies()[1]).toMatchObject({ data: { erased: true }, chainhead: first?.chainhead });
    expect(receiver.received.at(-1)?.body).not.toContain('grace');
  } finally {
    await receiver.stop();
  }
});
