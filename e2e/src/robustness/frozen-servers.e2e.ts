import {
  eventually,
  generous,
  startLocalIssuer,
  type LocalIssuer,
  type Stack,
  type TestServer,
} from '@countersign/testing';
import { admin, adminOnce, apply, claimsOf, eventsOf, exchangeOnce, startTestStack } from '../support/client';
import { acmeWeb, githubClaims } from '../support/documents';

describe('a frozen server, in the distributed mode', () => {
  let stack: Stack;
  let issuer: LocalIssuer;
  const issued: string[] = [];

  const token = (): Promise<string> => issuer.sign(githubClaims(issuer.iss));

  async function attempt(): Promise<number> {
    const { status, body } = await exchangeOnce(stack, await token());
    if (status === 200) issued.push(String(claimsOf(body.access_token).jti));
    return status;
  }

  /** Milliseconds until the work resolves. */
  async function timed(work: () => Promise<unknown>): Promise<number> {
    const start = performance.now();
    await work();
    return performance.now() - start;
  }

  async function whileFrozen(server: TestServer, work: () => Promise<void>): Promise<void> {
    server.pause();
    try {
      await work();
    } finally {
      server.resume();
    }
  }

  const granted = (): Promise<string[]> =>
    eventually(async () => {
      const path = '/v1/events?type=dev.countersign.exchange.granted.v1&limit=500';
      const { status, body } = await admin(stack, 'GET', path);
      if (status !== 200) throw new Error(`events: ${status}`);
      const recorded = (body.items as { data: { token: { jti: string } } }[]).map(({ data }) => data.token.jti);
      const missing = issued.filter((jti) => !recorded.includes(jti));
      if (missing.length > 0) throw new Error(`${missing.length} of ${issued.length} are missing`);
      return recorded;
    });

  beforeAll(async () => {
    [stack, issuer] = await Promise.all([startTestStack(), startLocalIssuer()]);
    await apply(stack, acmeWeb(issuer.iss));
    await eventually(async () => expect(await attempt()).toBe(200));
  });

  afterAll(async () => {
    await stack?.stop();
    await issuer?.stop();
  });

  it('R-08: while NATS is frozen nothing is issued, in a second; afterwards at once, and nothing is recorded twice', async () => {
    await whileFrozen(stack.nats, async () => {
      const took = await timed(async () => {
        const statuses = await Promise.all(Array.from({ length: 20 }, attempt));
        expect([...new Set(statuses)]).toEqual([503]);
      });
      expect(took).toBeLessThan(generous(2_000));
    });
    expect(await timed(() => eventually(async () => expect(await attempt()).toBe(200)))).toBeLessThan(generous(2_000));
    const recorded = await granted();
    expect(recorded.length).toBe(new Set(recorded).size);
  });

  it('R-17: while PostgreSQL takes no connections tokens are issued and recorded, admin calls end in a second, and do not pile up', async () => {
    await eventually(async () => expect(await attempt()).toBe(200));
    await whileFrozen(stack.postgres, async () => {
      const took = await timed(async () => {
        const calls = ['/v1/resources', '/v1/events', '/v1/webhooks'].flatMap((path) =>
          Array.from({ length: 15 }, () => adminOnce(stack, 'GET', path)),
        );
        for (const { status } of await Promise.all(calls)) expect([200, 503]).toContain(status);
      });
      expect(took).toBeLessThan(generous(2_500));
      await eventually(async () => expect(await attempt()).toBe(200));
    });
    const back = (): Promise<void> =>
      eventually(async () => {
        expect((await admin(stack, 'GET', '/v1/webhooks')).status).toBe(200);
        expect((await admin(stack, 'GET', '/v1/resources')).status).toBe(200);
      });
    expect(await timed(back)).toBeLessThan(generous(5_000));
    await granted();
  });

  it('one trace and one request id go from the request over NATS into the event', async () => {
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: await issuer.sign(githubClaims(issuer.iss, { repository_id: '1' })),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    });
    const foreign = '0af7651916cd43dd8448eb211c80319c';
    const headers = { 'x-request-id': 'job-42', traceparent: `00-${foreign}-b7ad6b7169203331-01` };
    const answer = await fetch(`${stack.url}/oauth2/token`, { method: 'POST', body: form, headers });
    const { trace_id: traceId } = (await answer.json()) as { trace_id: string };
    expect(traceId).not.toBe(foreign);
    const [event] = await eventsOf(stack, traceId);
    expect(answer.headers.get('x-request-id')).toBe('job-42');
    expect(event).toMatchObject({
      traceparent: expect.stringContaining(traceId),
      data: { requestId: 'job-42', traceId },
    });
  });
});
