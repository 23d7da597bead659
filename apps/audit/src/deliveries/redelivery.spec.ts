import { createPublicKey, verify } from 'node:crypto';
import type { DeliveredEvent, DeliveryAnswer } from '@countersign/contracts';
import { startPostgres, type TestServer } from '@countersign/testing';
import { HTTP, type CloudEvent } from 'cloudevents';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { exchangeEvent, Receiver, startAudit, until, type AuditUnderTest, type Received } from '../audit.fixture';
import { EMPTY_CHAIN, nextChainHead } from './delivered-event';

let server: TestServer;
let audit: AuditUnderTest;
let receiver: Receiver;
let url: string;
/** What the receiver answers with. */
let answer: number;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
beforeEach(async () => {
  answer = 200;
  audit = await startAudit(server, { delays: [] });
  receiver = new Receiver((response) => void response.writeHead(answer).end());
  url = await receiver.start();
});
afterEach(async () => {
  await receiver.stop();
  await audit.stop();
});

async function register(): Promise<{ id: string; secret: string; publicKey: string }> {
  const types = ['dev.countersign.exchange.granted.v1'];
  return (await audit.call('POST', '/v1/webhooks', { url, types })).body;
}

const append = async (count: number): Promise<void> => {
  for (let index = 0; index < count; index += 1) await audit.stream.append('audit', exchangeEvent());
};
const deliveries = async (id: string): Promise<DeliveryAnswer[]> =>
  (await audit.call('GET', `/v1/webhooks/${id}/deliveries`)).body.items;
const settled = (id: string, count: number, status: string): Promise<DeliveryAnswer[]> =>
  until(`${count} ${status} deliveries`, async () => {
    const all = await deliveries(id);
    return all.filter((one) => one.status === status).length === count ? all : null;
  });
const bodyOf = ({ body }: Received): DeliveredEvent => JSON.parse(body) as DeliveredEvent;
const headersOf = ({ headers }: Received): Record<string, string> => headers as Record<string, string>;

describe('deliveries to an endpoint', () => {
  test('are numbered without a gap, and each has the head of the chain over all up to it', async () => {
    const { id } = await register();
    await append(5);
    await settled(id, 5, 'delivered');
    const events = receiver.received
      .map(bodyOf)
      .sort((a, b) => Number(a.endpointsequence) - Number(b.endpointsequence));
    expect(events.map(({ endpointsequence }) => endpointsequence)).toEqual(['1', '2', '3', '4', '5']);
    let head = EMPTY_CHAIN;
    for (const { endpointsequence: _, chainhead, ...event } of events) {
      head = nextChainHead(head, event);
      expect(chainhead).toBe(head.toString('base64'));
    }
  });

  test('are accepted by libraries that others wrote, the event unchanged', async () => {
    const { id, secret } = await register();
    await append(1);
    await settled(id, 1, 'delivered');
    const [received] = receiver.received as [Received];
    const event = bodyOf(received);
    expect(new StandardWebhook(secret).verify(received.body, headersOf(received))).toEqual(event);
    expect(new SvixWebhook(secret).verify(received.body, headersOf(received))).toEqual(event);
    const { headers, body } = received;
    const parsed = HTTP.toEvent({ headers, body }) as CloudEvent;
    expect(parsed.toJSON()).toEqual(event);
  });

  test('are signed with the public key of the endpoint as well', async () => {
    const { id, publicKey } = await register();
    await append(1);
    await settled(id, 1, 'delivered');
    const [{ headers, body }] = receiver.received as [Received];
    const x = Buffer.from(publicKey.replace('whpk_', ''), 'base64').toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    const [signature = ''] = String(headers['webhook-signature'])
      .split(' ')
      .filter((one) => one.startsWith('v1a,'));
    const signed = Buffer.from(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`);
    expect(verify(null, signed, key, Buffer.from(signature.slice(4), 'base64'))).toBe(true);
  });
});

describe('a rotated secret', () => {
  test('signs at once, and the one before is good for a day', async () => {
    const { id, secret: old } = await register();
    const { body: rotated, headers } = await audit.call('POST', `/v1/webhooks/${id}/rotate-secret`);
    expect([rotated.secret === old, headers.get('cache-control')]).toEqual([false, 'no-store']);
    expect(Date.parse(rotated.previousSecretExpiresAt)).toBeGreaterThan(Date.now() + 23 * 3_600_000);
    const accepts = (secret: string, { body, headers: given }: Received): boolean => {
      try {
        // The libraries refuse what is older than five minutes by the clock of this machine.
        new StandardWebhook(secret).verify(body, { ...headersOf({ headers: given, body }) });
        return true;
      } catch {
        return false;
      }
    };
    await append(1);
    await settled(id, 1, 'delivered');
    const [both] = receiver.received as [Received];
    expect([old, rotated.secret].map((secret) => accepts(secret, both))).toEqual([true, true]);
    await audit.rows(`UPDATE audit.webhook_endpoint SET previous_secret_expires_at = now() - interval '1 second'`);
    await append(1);
    await settled(id, 2, 'delivered');
    const [, one] = receiver.received as [Received, Received];
    expect([old, rotated.secret].map((secret) => accepts(secret, one))).toEqual([false, true]);
  });

  test('is recorded, without the secret', async () => {
    const { id } = await register();
    const { body } = await audit.call('POST', `/v1/webhooks/${id}/rotate-secret`);
    const [event] = await until('its event', async () => {
      const { items } = (await audit.call('GET', '/v1/events?type=dev.countersign.webhook.secret_rotated.v1')).body;
      return items.length > 0 ? items : null;
    });
    expect(event.data).toMatchObject({ webhookId: id, author: 'bootstrap' });
    expect(JSON.stringify(event)).not.toContain(body.secret);
  });
});

describe('a delivery that somebody asks for again', () => {
  test('is made once more, whatever came of it, with the same id and body', async () => {
    answer = 500;
    const { id } = await register();
    await append(1);
    const [dead] = await settled(id, 1, 'dead');
    answer = 200;
    const asked = await audit.call('POST', `/v1/deliveries/${dead?.id}/redeliver`);
    expect([asked.status, asked.body.id]).toEqual([202, dead?.id]);
    const [delivered] = await settled(id, 1, 'delivered');
    expect(delivered?.attempts.map(({ responseStatus }) => responseStatus)).toEqual([500, 200]);
    await audit.call('POST', `/v1/deliveries/${dead?.id}/redeliver`);
    await until('a third attempt', () => receiver.received.length === 3);
    const messages = receiver.received.map(({ headers, body }) => [headers['webhook-id'], body]);
    expect(new Set(messages.map((message) => JSON.stringify(message))).size).toBe(1);
  });

  test.each(['x', '0197a1c2-0000-7000-8000-000000000001'])('%s is not found', async (id) => {
    expect((await audit.call('POST', `/v1/deliveries/${id}/redeliver`)).status).toBe(404);
  });
});

describe('a webhook that recovers', () => {
  const since = (): string => encodeURIComponent(new Date(Date.now() - 3_600_000).toISOString());

  test('gets its dead letters, and what it missed while it was disabled, and nothing twice', async () => {
    const { id } = await register();
    await append(1);
    await settled(id, 1, 'delivered');
    answer = 500;
    await append(1);
    await settled(id, 1, 'dead');
    await audit.call('PATCH', `/v1/webhooks/${id}`, { disabled: true });
    await append(2);
    await until('the trail', async () => (await audit.rows('SELECT 1 FROM audit.event')).length >= 6);
    expect((await audit.call('POST', `/v1/webhooks/${id}/recover?since=${since()}`)).status).toBe(409);
    await audit.call('PATCH', `/v1/webhooks/${id}`, { disabled: false });
    answer = 200;
    const { status, body } = await audit.call('POST', `/v1/webhooks/${id}/recover?since=${since()}`);
    expect([status, body]).toEqual([202, { recovered: 3 }]);
    const all = await settled(id, 4, 'delivered');
    expect(all.map(({ endpointSequence }) => endpointSequence)).toEqual(['4', '3', '2', '1']);
    const again = await audit.call('POST', `/v1/webhooks/${id}/recover?since=${since()}`);
    expect(again.body).toEqual({ recovered: 0 });
  });

  test.each<[string, number]>([
    ['', 422],
    ['?since=yesterday', 422],
    ['?since=2020-01-01T00:00:00Z', 422],
  ])('is refused with %s', async (query, status) => {
    const { id } = await register();
    expect((await audit.call('POST', `/v1/webhooks/${id}/recover${query}`)).status).toBe(status);
  });
});
