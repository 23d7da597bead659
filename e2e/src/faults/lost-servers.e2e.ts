import { eventually, generous, runSql, startLocalIssuer, type LocalIssuer, type Stack } from '@countersign/testing';
import { admin, adminOnce, apply, claimsOf, exchangeOnce, startTestStack, type Answer } from '../support/client';
import { acmeWeb, githubClaims, policy } from '../support/documents';

const WITHIN_MS = generous(3_000);

describe('a lost server, in the distributed mode', () => {
  let stack: Stack;
  let issuer: LocalIssuer;
  const issued: string[] = [];

  const token = (): Promise<string> => issuer.sign(githubClaims(issuer.iss));

  /** Exchanges, remembers what was issued, and never accepts anything but the documented answers. */
  async function attempt(subjectToken?: string): Promise<Answer> {
    const answer = await exchangeOnce(stack, subjectToken ?? (await token()));
    expect([200, 400, 503]).toContain(answer.status);
    if (answer.status === 200) issued.push(claimsOf(answer.body.access_token).jti as string);
    return answer;
  }

  async function expectUnavailable(subjectToken?: string): Promise<void> {
    const start = performance.now();
    const { status, body, headers } = await attempt(subjectToken);
    expect({ status, body: { ...body, trace_id: '' } }).toEqual({
      status: 503,
      body: { error: 'temporarily_unavailable', error_description: 'try again later', trace_id: '' },
    });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(performance.now() - start).toBeLessThan(WITHIN_MS);
  }

  const recovers = (subjectToken?: string): Promise<void> =>
    eventually(async () => {
      const { status, body } = await attempt(subjectToken);
      if (status !== 200) throw new Error(`still ${status} ${JSON.stringify(body)}`);
    });

  const everyGrantIsRecorded = (): Promise<void> =>
    eventually(async () => {
      const { status, body } = await admin(
        stack,
        'GET',
        '/v1/events?type=dev.countersign.exchange.granted.v1&limit=500',
      );
      const recorded = new Set(
        (body.items as { data: { token: { jti: string } } }[] | undefined)?.map(({ data }) => data.token.jti),
      );
      const missing = issued.filter((jti) => !recorded.has(jti));
      if (status !== 200 || missing.length > 0)
        throw new Error(`${status}: ${missing.length} of ${issued.length} are missing`);
    });

  beforeAll(async () => {
    [stack, issuer] = await Promise.all([startTestStack(), startLocalIssuer()]);
    await apply(stack, acmeWeb(issuer.iss));
    await recovers();
  });

  afterAll(async () => {
    await stack?.stop();
    await issuer?.stop();
  });

  it('Redis: no token is issued without it, and the refused token works afterwards', async () => {
    const refused = await token();
    await stack.redis.kill();
    await expectUnavailable(refused);
    await stack.redis.restart();
    await recovers(refused);
  });

  it('Redis frozen: the same, and a token of a call that timed out is never used twice', async () => {
    const caught = await token();
    stack.redis.pause();
    await expectUnavailable(caught);
    stack.redis.resume();
    await recovers();
    const answers = [await attempt(caught), await attempt(caught)];
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
  });

  it('NATS: no token is issued that is not recorded', async () => {
    const refused = await token();
    await stack.nats.kill();
    await expectUnavailable(refused);
    await stack.nats.restart();
    await recovers(refused);
  });

  it('PostgreSQL: exchanges go on from the last snapshot, admin calls answer 503, and every grant reaches the trail', async () => {
    await recovers();
    await stack.postgres.kill();
    await recovers();
    expect((await adminOnce(stack, 'GET', '/v1/resources')).status).toBe(503);
    await stack.postgres.restart();
    await everyGrantIsRecorded();
  });

  it('PostgreSQL that drops its connections and comes back read-only: the same, and no process ends of it (R-19)', async () => {
    const { pathname } = new URL(stack.databaseUrl('audit'));
    const database = pathname.slice(1);
    const failOver = async (change: string): Promise<void> => {
      const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`;
      await runSql(stack.postgres.url, `ALTER DATABASE ${database} ${change}`, terminate);
    };
    const write = async (): Promise<number> =>
      (await adminOnce(stack, 'POST', '/v1/apply', [policy('other', ['X:Y'], ['*'])])).status;
    await failOver('SET default_transaction_read_only = on');
    await recovers();
    expect(await write()).toBe(503);
    await failOver('RESET default_transaction_read_only');
    await eventually(async () => expect(await write()).toBe(200));
    await everyGrantIsRecorded();
    const live = await Promise.all(stack.services.map(({ url }) => fetch(`${url}/health/live`)));
    expect(live.map(({ status }) => status)).toEqual(stack.services.map(() => 200));
  });
});
