import { eventually, startLocalIssuer, type LocalIssuer, type Stack } from '@countersign/testing';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { Webhook } from 'standardwebhooks';
import { admin, apply, claimsOf, eventsOf, exchange, startTestStack } from '../support/client';
import { acmeWeb, githubClaims, policy, role } from '../support/documents';
import { startWebhookReceiver } from '../support/webhook-receiver';

type Receiver = Awaited<ReturnType<typeof startWebhookReceiver>>;

describe('a GitHub Actions job, from its token to the subscriber, in the distributed mode', () => {
  let stack: Stack;
  let issuer: LocalIssuer;
  let receiver: Receiver;
  let secret: string;

  const jobToken = (changes: Record<string, unknown> = {}): Promise<string> =>
    issuer.sign(githubClaims(issuer.iss, changes));

  beforeAll(async () => {
    [stack, issuer, receiver] = await Promise.all([
      startTestStack({ replicas: { exchange: 3 } }),
      startLocalIssuer(),
      startWebhookReceiver(),
    ]);
    const { body } = await apply(stack, [
      ...acmeWeb(issuer.iss, { spec: { platform: 'github', tokenExpiry: '10m' }, resource: ['staging:*'] }),
      policy('read-trail', ['Audit:Read'], ['countersign:*']),
      role('auditors', {
        policy: ['read-trail'],
        condition: { StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository_id': ['9009'] } },
      }),
    ]);
    expect(body.revision).toBe(1);
    expect((body.findings as { severity: string }[]).filter(({ severity }) => severity !== 'info')).toEqual([]);
    const webhook = await admin(stack, 'POST', '/v1/webhooks', {
      url: receiver.url,
      types: ['dev.countersign.exchange.granted.v1'],
    });
    expect(webhook.status).toBe(201);
    expect(webhook.headers.get('location')).toBe(`/v1/webhooks/${webhook.body.id}`);
    secret = webhook.body.secret;
  });

  afterAll(async () => {
    await stack?.stop();
    await Promise.all([issuer?.stop(), receiver?.stop()]);
  });

  it('gets an access token that verifies against the published keys with jose', async () => {
    const { status, body } = await exchange(stack, await jobToken());
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        token_type: 'Bearer',
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        expires_in: 600,
        scope: 'role:deployers',
      },
    });
    const metadata = await (await fetch(`${stack.url}/.well-known/oauth-authorization-server`)).json();
    const keys = createRemoteJWKSet(new URL((metadata as { jwks_uri: string }).jwks_uri));
    const { payload, protectedHeader } = await jwtVerify(body.access_token, keys, {
      issuer: stack.url,
      audience: stack.url,
      typ: 'at+jwt',
      algorithms: ['ES256'],
    });
    expect(protectedHeader.kid).toBeDefined();
    expect(payload).toMatchObject({
      sub: 'github:repo:acme/web:ref:refs/heads/main',
      client_id: 'github',
      roles: ['deployers'],
      policy: ['deploy'],
      fed: { iss: issuer.iss, claims: { repository: 'acme/web', run_id: '42' } },
    });
  });

  it('is recorded before the answer left, and delivered to the subscriber with a signature that standardwebhooks verifies', async () => {
    const token = await jobToken();
    const { body } = await exchange(stack, token);
    const { jti } = claimsOf(body.access_token) as { jti: string };
    const granted = await eventually(async () => {
      const { body: page } = await admin(stack, 'GET', '/v1/events?type=dev.countersign.exchange.granted.v1');
      expect(page.items).not.toEqual([]);
      return page.items[0] as { data: { traceId: string } };
    });
    const [event] = await eventsOf(stack, granted.data.traceId);
    expect(event?.data).toMatchObject({
      outcome: 'granted',
      issuer: 'github',
      class: null,
      decision: { roles: ['deployers'] },
    });
    const isOurs = (text: string): boolean =>
      (JSON.parse(text) as { data: { token: { jti: string } } }).data.token.jti === jti;
    await receiver.received.atLeast(2);
    const delivery = receiver.received.items.find((item) => isOurs(item.body));
    expect(delivery).toBeDefined();
    expect(() => new Webhook(secret).verify(delivery?.body ?? '', delivery?.headers ?? {})).not.toThrow();
    expect(delivery?.body).not.toContain(token.split('.')[2]);
    expect(delivery?.body).not.toContain(body.access_token);
  });

  it('uses its token once, whichever of three replicas it asks, however often at the same time', async () => {
    const urls = stack.replicasOf('exchange');
    for (let round = 0; round < 5; round += 1) {
      const token = await jobToken();
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, i) => exchange(urls[i % urls.length] as { url: string }, token)),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      const refused = answers.filter(({ status }) => status !== 200);
      for (const { status, body } of refused) {
        expect({ status, error: body.error, text: body.error_description }).toEqual({
          status: 400,
          error: 'invalid_request',
          text: 'token already used',
        });
      }
    }
  });

  it('is decided on by policy at an enforcement point, allowed and denied', async () => {
    const { body } = await exchange(stack, await jobToken());
    const evaluate = (action: string, id: string) =>
      admin(stack, 'POST', '/access/v1/evaluation', {
        subject: { type: 'access_token', id: body.access_token },
        action: { name: action },
        resource: { type: 'staging', id },
      });
    expect(await evaluate('Function:Deploy', 'web')).toMatchObject({ status: 200, body: { decision: true } });
    expect(await evaluate('Function:Delete', 'web')).toMatchObject({ status: 200, body: { decision: false } });
  });

  it('may administer what its policies allow, and nothing else', async () => {
    const { body } = await exchange(stack, await jobToken({ repository_id: '9009' }));
    const auditor = { url: stack.url, adminToken: body.access_token };
    expect((await admin(auditor, 'GET', '/v1/events')).status).toBe(200);
    const refused = await admin(auditor, 'GET', '/v1/webhooks');
    expect(refused).toMatchObject({
      status: 403,
      body: { type: 'https://countersign.dev/problems/insufficient_scope' },
    });
    expect(refused.headers.get('www-authenticate')).toContain('insufficient_scope');
    expect((await admin({ ...auditor, adminToken: await jobToken() }, 'GET', '/v1/events')).status).toBe(401);
  });

  it('loses its access with the next exchange when its role goes', async () => {
    expect((await admin(stack, 'DELETE', '/v1/resources/Role/deployers')).status).toBe(204);
    const body = { error: 'invalid_request', error_description: 'not authorized' };
    await eventually(async () => expect(await exchange(stack, await jobToken())).toMatchObject({ status: 400, body }));
  });
});
