import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  eventually,
  generous,
  startLocalIssuer,
  startTcpProxy,
  type LocalIssuer,
  type Stack,
  type TcpProxy,
  type TestServer,
} from '@countersign/testing';
import { Attempts } from '../support/attempts';
import { admin, adminOnce, apply, eventsOf, exchange, exchangeOnce, startTestStack } from '../support/client';
import { acmeWeb, githubClaims } from '../support/documents';

describe('a frozen or slow server, in the distributed mode', () => {
  let stack: Stack;
  let issuer: LocalIssuer;
  let proxy: TcpProxy | undefined;
  let attempts: Attempts;

  /** Of so many exchanges at once. */
  const statuses = async (count: number): Promise<number[]> =>
    (await Promise.all(Array.from({ length: count }, () => attempts.once()))).map(({ status }) => status);

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

  beforeAll(async () => {
    [stack, issuer] = await Promise.all([startTestStack(), startLocalIssuer()]);
    attempts = new Attempts(stack, issuer);
    await apply(stack, acmeWeb(issuer.iss));
    await attempts.untilGranted();
  });

  afterAll(async () => {
    await stack?.stop();
    await issuer?.stop();
    await proxy?.stop();
  });

  it('R-08: while NATS is frozen nothing is issued, in a second; afterwards at once, and nothing is recorded twice', async () => {
    await whileFrozen(stack.nats, async () => {
      const took = await timed(async () => {
        expect([...new Set(await statuses(20))]).toEqual([503]);
        // Nor does one wait whose key has to be asked for first.
        const unknown = await issuer.sign(githubClaims(issuer.iss), { kid: 'never-seen' });
        expect((await exchangeOnce(stack, unknown)).status).toBe(503);
      });
      expect(took).toBeLessThan(generous(2_000));
    });
    expect(await attempts.untilGranted()).toBeLessThan(generous(2_000));
    await attempts.recorded();
  });

  it('R-17: while PostgreSQL takes no connections tokens are issued and recorded, admin calls end in a second, and do not pile up', async () => {
    await attempts.untilGranted();
    await whileFrozen(stack.postgres, async () => {
      const took = await timed(async () => {
        const calls = ['/v1/resources', '/v1/events', '/v1/webhooks'].flatMap((path) =>
          Array.from({ length: 15 }, () => adminOnce(stack, 'GET', path)),
        );
        for (const { status } of await Promise.all(calls)) expect([200, 503]).toContain(status);
      });
      expect(took).toBeLessThan(generous(2_500));
      await attempts.untilGranted();
    });
    const back = (): Promise<void> =>
      eventually(async () => {
        expect((await admin(stack, 'GET', '/v1/webhooks')).status).toBe(200);
        expect((await admin(stack, 'GET', '/v1/resources')).status).toBe(200);
      });
    expect(await timed(back)).toBeLessThan(generous(5_000));
    await attempts.recorded();
  });

  /** The address that exchange is given for Redis from now on. */
  async function slowableRedis(): Promise<TcpProxy> {
    proxy = await startTcpProxy(stack.redis.port);
    const [service] = stack.replicasOf('exchange');
    const file = join(dirname(dirname(service?.logFile ?? '')), 'secrets/exchange/redis_url');
    await writeFile(file, (await readFile(file, 'utf8')).replace(`:${stack.redis.port}`, `:${proxy.port}`));
    await service?.kill();
    await service?.restart();
    return proxy;
  }

  it('R-06: a Redis slower than a call may take means 503 in a second, over one connection; in time again it serves, and no token works twice', async () => {
    const redis = await slowableRedis();
    const allServed = (count: number): Promise<void> =>
      eventually(async () => {
        expect(await statuses(count)).toEqual(Array(count).fill(200));
      });
    redis.late = { requestsMs: 60, answersMs: 60 };
    await allServed(20);
    const tokens = await Promise.all(Array.from({ length: 100 }, () => attempts.token()));
    redis.late = { requestsMs: 200, answersMs: 800 };
    const refused = async (one: string): Promise<void> => {
      const { status, headers } = await exchangeOnce(stack, one);
      expect([status, headers.has('retry-after')]).toEqual([503, true]);
    };
    const waits: number[] = [];
    for (let from = 0; from < tokens.length; from += 20)
      waits.push(...(await Promise.all(tokens.slice(from, from + 20).map((one) => timed(() => refused(one))))));
    expect(Math.max(...waits)).toBeLessThan(generous(1_200));
    expect(redis.open).toBeLessThanOrEqual(1);
    redis.late = { requestsMs: 0, answersMs: 0 };
    expect(await timed(() => allServed(1))).toBeLessThan(generous(3_000));
    for (const one of tokens.slice(0, 20)) {
      // What timed out is given back a little later.
      await eventually(async () => expect((await exchange(stack, one)).status).toBe(200));
      expect((await exchange(stack, one)).status).toBe(400);
    }
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
