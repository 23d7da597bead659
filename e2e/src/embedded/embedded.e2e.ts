import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { Webhook } from 'standardwebhooks';
import { admin, apply, claimsOf, eventsOf, exchange } from '../support/client';
import { acmeWeb, githubClaims } from '../support/documents';
import { startEmbedded, type EmbeddedSystem } from '../support/embedded';
import { startWebhookReceiver } from '../support/webhook-receiver';

describe('the embedded mode', () => {
  let dataDir: string;
  let issuer: LocalIssuer;
  let system: EmbeddedSystem;

  const token = (): Promise<string> => issuer.sign(githubClaims(issuer.iss));

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'countersign-embedded-'));
    await chmod(dataDir, 0o755);
    issuer = await startLocalIssuer();
    system = await startEmbedded(dataDir);
    await apply(system, acmeWeb(issuer.iss, { resource: ['staging:*'] }));
  });

  afterAll(async () => {
    await system?.kill('SIGTERM');
    await issuer?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('tells a person where it is, where the admin token is, and what to try next, and prints no secret', () => {
    expect(system.output()).toContain(system.url);
    expect(system.output()).toContain(join(dataDir, 'admin-token'));
    expect(system.output()).toContain('npm run demo');
    expect(system.output()).not.toContain(system.adminToken);
  });

  it('does the main job: exchange, event, webhook, and no second use', async () => {
    const receiver = await startWebhookReceiver();
    const { body: endpoint } = await admin(system, 'POST', '/v1/webhooks', { url: receiver.url });
    const subjectToken = await token();
    const granted = await exchange(system, subjectToken);
    expect(granted.status).toBe(200);
    const { jti } = claimsOf(granted.body.access_token) as { jti: string };
    const refused = await exchange(system, subjectToken);
    expect(refused).toMatchObject({ status: 400, body: { error_description: 'token already used' } });
    const [event] = await eventsOf(system, refused.body.trace_id);
    expect(event?.data).toMatchObject({ outcome: 'denied', reason: 'replayed' });
    await receiver.received.atLeast(2);
    const delivery = receiver.received.items.find(({ body }) => body.includes(jti));
    expect(() => new Webhook(endpoint.secret).verify(delivery?.body ?? '', delivery?.headers ?? {})).not.toThrow();
    await admin(system, 'DELETE', `/v1/webhooks/${endpoint.id}`);
    await receiver.stop();
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'keeps everything across %s: documents, keys, used tokens, the trail',
    async (signal) => {
      const used = await token();
      const granted = await exchange(system, used);
      expect(granted.status).toBe(200);
      const keys = await (await fetch(`${system.url}/oauth2/jwks`)).json();
      const port = Number(new URL(system.url).port);
      await system.kill(signal);
      system = await startEmbedded(dataDir, port);
      expect(await (await fetch(`${system.url}/oauth2/jwks`)).json()).toEqual(keys);
      expect(await exchange(system, used)).toMatchObject({
        status: 400,
        body: { error_description: 'token already used' },
      });
      expect((await exchange(system, await token())).status).toBe(200);
      const { jti } = claimsOf(granted.body.access_token) as { jti: string };
      const { body } = await admin(system, 'GET', '/v1/events?type=dev.countersign.exchange.granted.v1');
      expect(JSON.stringify(body.items)).toContain(jti);
    },
  );

  it('refuses a second process on the same data folder with one line', async () => {
    await expect(startEmbedded(dataDir)).rejects.toThrow(/is using/);
  });
});
