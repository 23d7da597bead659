import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { DeliveryAnswer } from '@countersign/contracts';
import { Logger } from '@countersign/platform';
import { startPostgres, type TestServer } from '@countersign/testing';
import { Webhook } from 'standardwebhooks';
import { ENVIRONMENT, Receiver, exchangeEvent, startAudit, until, type AuditUnderTest } from '../audit.fixture';
import { AuditConfig } from '../config';
import { EndpointSecrets } from './endpoint-secrets';

let server: TestServer;
let audit: AuditUnderTest;
const receivers: Receiver[] = [];

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

const start = async (): Promise<void> => void (audit = await startAudit(server));
async function stop(): Promise<void> {
  await Promise.all(receivers.splice(0).map((receiver) => receiver.stop()));
  await audit.stop();
}

const status =
  (...codes: number[]) =>
  (response: ServerResponse, _: unknown, count: number): void =>
    void response.writeHead(codes[Math.min(count, codes.length) - 1] ?? 200).end('an answer');
const hang = (): void => undefined;

async function receiving(
  answer: ConstructorParameters<typeof Receiver>[0],
): Promise<{ receiver: Receiver; url: string }> {
  const receiver = new Receiver(answer);
  receivers.push(receiver);
  return { receiver, url: await receiver.start() };
}

async function register(url: string, filter: object = {}): Promise<{ id: string; secret: string }> {
  const { status: code, body } = await audit.call('POST', '/v1/webhooks', { url, ...filter });
  expect(code).toBe(201);
  return body;
}

const granted = { types: ['dev.countersign.exchange.granted.v1'] };
const deliveries = async (id: string): Promise<DeliveryAnswer[]> =>
  (await audit.call('GET', `/v1/webhooks/${id}/deliveries`)).body.items;
const delivery = (id: string, wanted: string) =>
  until(`a ${wanted} delivery`, async () => (await deliveries(id)).find((one) => one.status === wanted));
const trailTypes = async (): Promise<string[]> =>
  (await audit.rows<{ type: string }>('SELECT type FROM audit.event ORDER BY sequence')).map(({ type }) => type);

describe('a webhook', () => {
  beforeEach(start);
  afterEach(stop);

  test('gets the recorded event, signed so that an independent implementation accepts it', async () => {
    const { receiver, url } = await receiving(status(200));
    const { id, secret } = await register(url, granted);
    const event = exchangeEvent({ detail: 'ünïcödé 🚀' });
    await audit.stream.append('audit', event);
    const { attempts } = await delivery(id, 'delivered');
    const [received] = receiver.received;
    const headers = received?.headers as Record<string, string>;
    expect(new Webhook(secret).verify(received?.body ?? '', headers)).toEqual({
      ...(await audit.call('GET', `/v1/events/${event.id}`)).body,
      endpointsequence: '1',
      chainhead: expect.any(String),
    });
    expect(headers).toMatchObject({ 'content-type': 'application/cloudevents+json', 'user-agent': 'countersign' });
    expect(attempts).toEqual([
      { at: expect.any(String), responseStatus: 200, error: null, durationMs: expect.any(Number) },
    ]);
    expect(receiver.received).toHaveLength(1);
  });

  test('gets it again after failures, with the same id and body, until it takes it', async () => {
    const { receiver, url } = await receiving(status(500, 503, 200));
    const { id } = await register(url, granted);
    await audit.stream.append('audit', exchangeEvent());
    const first = await delivery(id, 'retrying');
    const wait = Date.parse(first.nextAttemptAt ?? '') - Date.parse(first.attempts[0]?.at ?? '');
    expect(wait).toBeGreaterThan(3_000);
    expect(wait).toBeLessThan(60_000);
    audit.clock.added += 6_000;
    await until('the second attempt', async () => (await deliveries(id))[0]?.attempts.length === 2);
    audit.clock.added += 300_000;
    const { attempts, nextAttemptAt } = await delivery(id, 'delivered');
    expect(attempts.map((one) => one.responseStatus)).toEqual([500, 503, 200]);
    expect(nextAttemptAt).toBeNull();
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect([new Set(ids).size, new Set(receiver.received.map(({ body }) => body)).size]).toEqual([1, 1]);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(3);
  });

  test('gets it again, with the same id and body, when the service died between the POST and its record', async () => {
    const { receiver, url } = await receiving((response, _, count) => {
      if (count > 1) return status(200)(response, _, count);
      // Another lease than the one that the attempt was made under: its record finds nothing, as if it had never come.
      void audit
        .rows(`UPDATE audit.delivery SET next_attempt_at = next_attempt_at + interval '1 second'`)
        .then(() => response.writeHead(200).end());
    });
    const { id } = await register(url, granted);
    await audit.stream.append('audit', exchangeEvent());
    await until('the first attempt', () => receiver.received.length === 1);
    await until(
      'its loss',
      async () => (await audit.rows('SELECT FROM audit.delivery WHERE attempts = $$[]$$')).length,
    );
    audit.clock.added += 40_000;
    const { attempts } = await delivery(id, 'delivered');
    expect(attempts).toHaveLength(1);
    const [first, second] = receiver.received;
    expect(receiver.received).toHaveLength(2);
    expect(second?.body).toBe(first?.body);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    // WHK-16
    expect(second?.headers['webhook-timestamp']).not.toBe(first?.headers['webhook-timestamp']);
  });

  test('that hangs does not delay one that answers', async () => {
    await audit.stop();
    audit = await startAudit(server, { attemptTimeoutMs: 600_000 });
    const hanging = await Promise.all(Array.from({ length: 4 }, () => receiving(hang)));
    const attempts = (): number => hanging.reduce((sum, { receiver }) => sum + receiver.received.length, 0);
    for (const { url } of hanging) for (let index = 0; index < 25; index += 1) await register(url, granted);
    const good = await receiving(status(200));
    await register(good.url, granted);
    await Promise.all(Array.from({ length: 5 }, () => audit.stream.append('audit', exchangeEvent())));
    await until('hanging attempts', () => attempts() >= 100);
    await until('the good deliveries', () => good.receiver.received.length === 5);
    // Four of each at most, and none of them has ended yet: their time limit is longer than this test.
    expect(attempts()).toBeLessThanOrEqual(400);
  });

  test('that answers 410 is disabled, and the trail says so', async () => {
    const { receiver, url } = await receiving(status(410));
    const { id } = await register(url, granted);
    await audit.stream.append('audit', exchangeEvent());
    await delivery(id, 'dead');
    const { body } = await audit.call('GET', `/v1/webhooks/${id}`);
    expect(body).toMatchObject({ disabled: true, disabledReason: 'gone' });
    await until('its event', async () => (await trailTypes()).includes('dev.countersign.webhook.disabled.v1'));
    await audit.stream.append('audit', exchangeEvent({}, { id: 'after' }));
    await until('the event after', async () => (await audit.call('GET', '/v1/events/after')).status === 200);
    expect([receiver.received.length, (await deliveries(id)).length]).toEqual([1, 1]);
    expect((await audit.call('POST', `/v1/webhooks/${id}/test`)).status).toBe(409);
    const enabled = await audit.call('PATCH', `/v1/webhooks/${id}`, { disabled: false });
    expect(enabled.body).toMatchObject({ disabled: false, disabledReason: null });
  });

  test('has a dead letter when the schedule is at its end', async () => {
    await audit.stop();
    audit = await startAudit(server, { delays: [5] });
    const { url } = await receiving(status(400));
    const { id } = await register(url, granted);
    await audit.stream.append('audit', exchangeEvent());
    await delivery(id, 'retrying');
    audit.clock.added += 10_000;
    expect((await delivery(id, 'dead')).attempts).toHaveLength(2);
  });

  test('that fails for five days is disabled', async () => {
    const { url } = await receiving(status(500));
    const { id } = await register(url, granted);
    await audit.stream.append('audit', exchangeEvent());
    await delivery(id, 'retrying');
    audit.clock.added += 5 * 86_400_000;
    await until(
      'the end',
      async () => (await audit.call('GET', `/v1/webhooks/${id}`)).body.disabledReason === 'failing',
    );
  });

  test('does not follow redirects', async () => {
    const target = await receiving(status(200));
    const { url } = await receiving((response) => void response.writeHead(307, { location: target.url }).end());
    const { id } = await register(url, granted);
    await audit.stream.append('audit', exchangeEvent());
    expect((await delivery(id, 'retrying')).attempts[0]?.responseStatus).toBe(307);
    expect(target.receiver.received).toHaveLength(0);
  });

  test('hears what its filter names, and of others but not of itself', async () => {
    const { receiver, url } = await receiving(status(200));
    const first = await register(url, { issuers: ['github'], roles: ['read'] });
    await until('its event', async () => (await trailTypes()).length === 1);
    const all = await receiving(status(200));
    await register(all.url);
    const wanted = exchangeEvent({ decision: { roles: ['read'] } });
    for (const event of [exchangeEvent(), exchangeEvent({ issuer: 'gitlab' }), wanted]) {
      await audit.stream.append('audit', event);
    }
    const third = await register(url, { issuers: ['nobody'] });
    await until('all of them', () => all.receiver.received.length === 4);
    const heard = receiver.received.map(({ body }) => JSON.parse(body).id);
    expect(heard).toEqual([wanted.id]);
    const about = all.receiver.received
      .map(({ body }) => JSON.parse(body))
      .filter(({ type }) => type.includes('webhook'));
    expect(about.map(({ data }) => data.webhookId)).toEqual([third.id]);
    expect((await deliveries(first.id)).map(({ eventId }) => eventId)).toEqual([wanted.id]);
  });

  test('gets a test event whatever its filter says, and nobody else does', async () => {
    const { receiver, url } = await receiving(status(200));
    const { id } = await register(url, { issuers: ['nobody'] });
    const other = await receiving(status(200));
    await register(other.url, { types: ['dev.countersign.webhook.test.v1'] });
    const { status: code, body } = await audit.call('POST', `/v1/webhooks/${id}/test`);
    expect(code).toBe(202);
    await delivery(id, 'delivered');
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
      id: body.eventId,
      type: 'dev.countersign.webhook.test.v1',
      data: { webhookId: id, author: 'bootstrap' },
    });
    expect(other.receiver.received).toHaveLength(0);
  });
});

describe('/v1/webhooks', () => {
  beforeEach(start);
  afterEach(stop);

  const url = 'https://receiver.test/hooks/T0/secret-path';

  test('has secrets that outlive the encryption key they were sealed under, the one before a rotation too', async () => {
    const { id, secret } = (await audit.call('POST', '/v1/webhooks', { url })).body;
    const { body: rotated } = await audit.call('POST', `/v1/webhooks/${id}/rotate-secret`);
    const [before, after] = [ENVIRONMENT.COUNTERSIGN_ENCRYPTION_KEY, randomBytes(32).toString('base64')];
    const secretsUnder = (key: string, previous = ''): EndpointSecrets => {
      const settings = { COUNTERSIGN_ENCRYPTION_KEY: key, COUNTERSIGN_PREVIOUS_ENCRYPTION_KEY: previous };
      const config = new AuditConfig({ ...ENVIRONMENT, ...settings });
      return new EndpointSecrets(audit.database, new Logger('audit', 'silent'), config);
    };
    const openedBy = async (secrets: EndpointSecrets): Promise<string[] | null> => {
      const sql =
        'SELECT ARRAY[sealed_secret, previous_sealed_secret] AS sealed FROM audit.webhook_endpoint WHERE id = $1';
      const [row] = await audit.rows<{ sealed: Buffer[] }>(sql, [id]);
      try {
        return row?.sealed.map((each) => secrets.open(each)) ?? null;
      } catch {
        return null;
      }
    };
    for (const [key, previous] of [
      [after, before],
      [before, after],
    ] as const) {
      expect(await openedBy(secretsUnder(key))).toBeNull();
      secretsUnder(key, previous).onApplicationBootstrap();
      expect(await until('new seals', () => openedBy(secretsUnder(key)))).toEqual([rotated.secret, secret]);
    }
  });

  test('shows the secret once, keeps it sealed, and records who did what without the path of the URL', async () => {
    const created = await audit.call('POST', '/v1/webhooks', { url, ...granted });
    const { secret, ...shown } = created.body;
    expect(created.headers.get('location')).toBe(`/v1/webhooks/${shown.id}`);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(shown).toEqual({
      id: expect.any(String),
      url,
      types: granted.types,
      issuers: [],
      publicKey: expect.stringMatching(/^whpk_[A-Za-z0-9+/]{43}=$/),
      roles: [],
      outcomes: [],
      format: 'cloudevents',
      maxPerSecond: 50,
      handshake: false,
      disabled: false,
      disabledReason: null,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
    expect((await audit.call('GET', `/v1/webhooks/${shown.id}`)).body).toEqual(shown);
    expect((await audit.call('GET', '/v1/webhooks')).body).toEqual({ items: [shown], nextCursor: null });
    const [row] = await audit.rows<{ all: string }>(
      `SELECT e::text || encode(sealed_secret, 'escape') AS all FROM audit.webhook_endpoint e`,
    );
    expect(row?.all).not.toContain(secret.slice(6));
    await audit.call('PATCH', `/v1/webhooks/${shown.id}`, { outcomes: ['denied'] });
    await audit.call('PATCH', `/v1/webhooks/${shown.id}`, { disabled: true });
    const deleted = await audit.call('DELETE', `/v1/webhooks/${shown.id}`);
    expect([deleted.status, deleted.body]).toEqual([204, null]);
    expect((await audit.call('GET', `/v1/webhooks/${shown.id}`)).status).toBe(404);
    await until('the events', async () => (await trailTypes()).length === 4);
    const { body } = await audit.call('GET', '/v1/events');
    expect(body.items.map((event: { type: string }) => event.type.split('.').at(-2)).reverse()).toEqual([
      'created',
      'updated',
      'disabled',
      'deleted',
    ]);
    expect(body.items[0].data).toMatchObject({ webhookId: shown.id, host: 'receiver.test', author: 'bootstrap' });
    expect(JSON.stringify(body)).not.toContain('secret-path');
    expect(JSON.stringify(body)).not.toContain(secret);
  });

  test('changes nothing when the trail cannot take it', async () => {
    const append = jest.spyOn(audit.stream, 'append').mockRejectedValue(new Error('no acknowledgement'));
    expect((await audit.call('POST', '/v1/webhooks', { url })).status).toBe(500);
    append.mockRestore();
    expect((await audit.call('GET', '/v1/webhooks')).body.items).toEqual([]);
  });

  test('pages through webhooks and their deliveries', async () => {
    const { url: working } = await receiving(status(200));
    const { id } = await register(working, granted);
    for (let index = 0; index < 2; index += 1) await register(url, { issuers: ['nobody'] });
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: { body: { items: { id: string }[]; nextCursor: string | null } } = await audit.call(
        'GET',
        `/v1/webhooks?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      seen.push(...page.body.items.map((item) => item.id));
      cursor = page.body.nextCursor;
    }
    expect([seen.length, new Set(seen).size, seen[0]]).toEqual([3, 3, id]);
    for (let index = 0; index < 3; index += 1) await audit.stream.append('audit', exchangeEvent());
    await until('three deliveries', async () => (await deliveries(id)).length === 3);
    const page = await audit.call('GET', `/v1/webhooks/${id}/deliveries?limit=2`);
    const rest = await audit.call('GET', `/v1/webhooks/${id}/deliveries?limit=2&cursor=${page.body.nextCursor}`);
    expect([page.body.items.length, rest.body.items.length, rest.body.nextCursor]).toEqual([2, 1, null]);
    expect((await audit.call('GET', `/v1/webhooks/${id}/deliveries?limit=0`)).status).toBe(422);
  });
});

describe('/v1/webhooks, asked wrongly,', () => {
  beforeAll(start);
  afterAll(stop);
  const url = 'https://receiver.test/';

  test.each<[string, unknown, string, string]>([
    ['an address of ours', { url: 'https://169.254.169.254/latest' }, '/url', 'url_not_allowed'],
    ['http', { url: 'http://receiver.test/' }, '/url', 'url_not_allowed'],
    ['another scheme', { url: 'file:///etc/passwd' }, '/url', 'url_not_allowed'],
    ['a user in the URL', { url: 'https://a@receiver.test/' }, '/url', 'url_not_allowed'],
    ['no URL', {}, '/url', 'required'],
    ['a URL that is no text', { url: 1 }, '/url', 'invalid_value'],
    ['a secret of the caller', { url, secret: '' }, '/secret', 'unknown_field'],
    ['a way around the address check', { url, allowPrivate: true }, '/allowPrivate', 'unknown_field'],
    ['an unknown type', { url, types: ['dev.countersign.*'] }, '/types/0', 'invalid_value'],
    ['an outcome that never comes', { url, outcomes: ['maybe'] }, '/outcomes/0', 'invalid_value'],
    ['an empty name', { url, issuers: [''] }, '/issuers/0', 'invalid_value'],
    ['a list that is none', { url, roles: 'deploy' }, '/roles', 'invalid_value'],
    ['no object', [], '', 'invalid_value'],
  ])('refuses %s with 422 and its place', async (_, body, path, code) => {
    const answer = await audit.call('POST', '/v1/webhooks', body);
    expect(answer.status).toBe(422);
    expect(answer.body.errors).toContainEqual(expect.objectContaining({ document: 0, path, code }));
  });

  test.each(['x', '0197a1c2-0000-7000-8000-000000000001', '%00'])('knows no webhook %s: 404', async (id) => {
    for (const [method, rest] of [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/deliveries'],
      ['POST', '/test'],
    ] as const) {
      expect((await audit.call(method, `/v1/webhooks/${id}${rest}`)).status).toBe(404);
    }
    expect((await audit.call('PATCH', `/v1/webhooks/${id}`, {})).status).toBe(404);
  });

  test('the API description names the endpoints with their schemas', async () => {
    const { body } = await audit.call('GET', '/openapi.json', undefined, null);
    expect(Object.keys(body.paths)).toEqual(
      expect.arrayContaining(['/v1/events', '/v1/events/{id}', '/v1/webhooks', '/v1/webhooks/{id}/deliveries']),
    );
    expect(Object.keys(body.components.schemas)).toEqual(
      expect.arrayContaining(['EventPage', 'Webhook', 'NewWebhook']),
    );
    const names = body.paths['/v1/events'].get.parameters.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(['cursor', 'limit', 'type', 'issuer', 'from']));
  });
});
