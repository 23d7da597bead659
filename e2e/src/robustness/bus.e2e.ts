import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { eventually, startLocalIssuer, type LocalIssuer, type Stack } from '@countersign/testing';
import { admin, apply, claimsOf, eventsOf, exchange, startTestStack } from '../support/client';
import { acmeWeb, githubClaims } from '../support/documents';
import { startWebhookReceiver } from '../support/webhook-receiver';
import { RawNats } from './raw-nats';

const ROUNDS = process.env.COUNTERSIGN_SOAK === '1' ? 1_000 : 5;

describe('the bus, in the distributed mode', () => {
  let stack: Stack;
  let issuer: LocalIssuer;

  const grant = async (): Promise<{ subjectToken: string; accessToken: string }> => {
    const subjectToken = await issuer.sign(githubClaims(issuer.iss));
    const { status, body } = await exchange(stack, subjectToken);
    if (status !== 200) throw new Error(`exchange: ${status} ${JSON.stringify(body)}`);
    return { subjectToken, accessToken: body.access_token };
  };

  const recorded = (accessToken: string): Promise<void> =>
    eventually(async () => {
      const { jti } = claimsOf(accessToken);
      const { body } = await admin(stack, 'GET', '/v1/events?type=dev.countersign.exchange.granted.v1&limit=500');
      if (!JSON.stringify(body).includes(String(jti))) throw new Error('not in the trail');
    });

  beforeAll(async () => {
    [stack, issuer] = await Promise.all([startTestStack(), startLocalIssuer()]);
    await apply(stack, acmeWeb(issuer.iss));
    await eventually(grant);
  });

  afterAll(async () => {
    await stack?.stop();
    await issuer?.stop();
  });

  it('BUS-03: a stranger without a password hears nothing and can say nothing', async () => {
    const stranger = await RawNats.connect(stack.nats.url);
    stranger.say('SUB > 1', 'SUB policy.decide 2');
    stranger.publish('countersign.audit.exchange.granted', '{}');
    const { accessToken } = await grant();
    await recorded(accessToken);
    expect(await stranger.settled()).not.toMatch(/^(\+OK|H?MSG|PONG)/m);
    expect(stranger.isClosed).toBe(true);
    stranger.close();
  });

  describe('R-48, BUS-08: poison', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const envelope = (input: string): string => `{"v":1,"id":"x","input":${input}}`;
    const event = (member: string): string =>
      `{"specversion":"1.0","id":"${crypto.randomUUID()}","source":"x","type":"dev.countersign.exchange.denied.v1",` +
      `"time":"2026-01-01T00:00:00Z","datacontenttype":"application/json","data":${member}}`;
    const poison = [
      '',
      'not JSON',
      '\u0000\ufffd',
      '{"v":2,"id":"x","input":{}}',
      envelope('{"__proto__":{"admin":true}}'),
      envelope(deep),
      envelope(`"${'x'.repeat(256 * 1024)}"`),
      '{"__proto__":{"v":1},"id":"x"}',
      'null',
      '[]',
      '{"v":2,"id":"x","items":[{"input":{}},{}]}',
      `[${event('{}')},{},null,${deep}]`,
      deep,
      event(deep),
      event('{"outcome":"\\u0000"}'),
      event('{"outcome":"\\ud800"}'),
      event('{"outcome":1e400,"decision":{"roles":[1,null,{}]}}'),
      event('{}').replace('2026-01-01T00:00:00Z', 'yesterday'),
      event('{}').replace('2026-01-01', '999999-99-99'),
      event('{}').replace('exchange.denied', 'nobody.knows'),
      event(`{"detail":"${'x'.repeat(900_000)}"}`),
    ];

    /** Everything that each user may say (deploy/nats/nats.conf), but for the JetStream API. */
    const subjects: Record<string, string[]> = {
      discovery: ['policy.issuers.list', 'policy.authorize', 'exchange.keys.get', 'discovery.keys.changed'],
      exchange: ['discovery.keys.get', 'policy.decide', 'exchange.keys.changed', 'countersign.refusals.x.y'],
      policy: ['discovery.issuers.check', 'policy.changed', 'countersign.audit.x.y'],
      audit: ['countersign.audit.exchange.granted'],
    };

    /** Stream and place of every message that was put aside, as the log has them. */
    async function setAside(): Promise<string[]> {
      const log = await readFile(stack.replicasOf('audit')[0]?.logFile ?? '', 'utf8');
      return log
        .split('\n')
        .filter((line) => line.includes('a message is not an event'))
        .map((line) => JSON.parse(line) as { stream: string; streamSequence: number })
        .map(({ stream: name, streamSequence }) => `${name} ${streamSequence}`);
    }

    it('on every subject ends no process, holds up no event, comes again to nobody', async () => {
      const pids = stack.services.map(({ pid }) => pid);
      for (const [user, names] of Object.entries(subjects)) {
        const raw = await RawNats.connect(stack.natsUrl(user as 'audit'));
        raw.say(`SUB _INBOX_${user}.poison 1`);
        for (let round = 0; round < ROUNDS; round += 1) {
          const payloads = round === 0 ? poison : poison.filter(({ length }) => length < 2_000);
          for (const [name, payload] of names.flatMap((one) => payloads.map((other) => [one, other] as const))) {
            raw.publish(name, payload);
            raw.publish(name, payload, `_INBOX_${user}.poison`);
          }
          await raw.settled();
        }
        expect(raw.heard()).not.toContain('Permissions Violation');
        raw.close();
      }
      const { accessToken } = await eventually(grant);
      await recorded(accessToken);
      expect(stack.services.map(({ pid }) => pid)).toEqual(pids);
      const putAside = await setAside();
      expect(putAside.length).toBeGreaterThan(0);
      // A batch whose database stumbled comes once more, whatever is in it; what is poison must not come on and on.
      const times = putAside.map((place) => putAside.filter((other) => other === place).length);
      expect(Math.max(...times)).toBeLessThan(4);
    });

    it('in the trail is answered with its place and nothing breaks the list', async () => {
      const { status, body } = await admin(stack, 'GET', '/v1/events?limit=500');
      expect(status).toBe(200);
      expect(body.items.length).toBeGreaterThan(0);
    });
  });

  it('BUS-04: nothing on the bus is a token or a secret', async () => {
    const folder = dirname(dirname(stack.replicasOf('audit')[0]?.logFile ?? ''));
    const file = join(folder, 'nats', 'nats.conf');
    const tap = '{ user: tap, password: "tap-password", permissions { publish: { deny: [">"] }, subscribe: [">"] } }';
    await writeFile(file, (await readFile(file, 'utf8')).replace('users: [', `users: [\n${tap}\n`));
    await stack.nats.restart();
    const raw = await RawNats.connect(stack.nats.url.replace('//', '//tap:tap-password@'));
    raw.say('SUB > 1');
    await raw.settled();

    const receiver = await startWebhookReceiver();
    const webhook = await eventually(async () => {
      const { status, body } = await admin(stack, 'POST', '/v1/webhooks', { url: receiver.url });
      if (status !== 201) throw new Error(`webhook: ${status}`);
      return body;
    });
    const grants = await eventually(() => Promise.all(Array.from({ length: 20 }, grant)));
    const refused = await exchange(stack, await issuer.sign(githubClaims(issuer.iss, { repository_id: '1' })));
    await eventsOf(stack, refused.body.trace_id);
    await fetch(`${stack.url}/v1/events`, { headers: { authorization: `Bearer ${grants[0]?.accessToken}` } });
    await recorded(grants.at(-1)?.accessToken ?? '');
    await receiver.received.atLeast(20);
    const heard = await raw.settled();
    raw.close();
    await receiver.stop();

    expect(heard).toContain('policy.decide');
    expect(heard).toContain('countersign.audit.exchange.granted');
    const secrets = [
      stack.adminToken,
      webhook.secret,
      ...grants.flatMap(({ subjectToken, accessToken }) => [subjectToken, accessToken].map((t) => t.split('.')[2])),
    ];
    expect(secrets.filter((secret) => heard.includes(String(secret)))).toEqual([]);
    expect(heard).not.toMatch(/eyJ[\w-]+\.eyJ|whsec_|BEGIN [A-Z ]*PRIVATE KEY/);
  });
});
