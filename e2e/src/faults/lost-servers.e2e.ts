import {
  diskRefusal,
  eventually,
  runSql,
  startLocalIssuer,
  TestDisk,
  testUnless,
  type LocalIssuer,
  type Stack,
} from '@countersign/testing';
import { Attempts } from '../support/attempts';
import { adminOnce, apply, startTestStack } from '../support/client';
import { acmeWeb, policy } from '../support/documents';

const refusal = diskRefusal('tmpfs');
const ROOM_BYTES = 200_000_000;

describe('a lost server, in the distributed mode', () => {
  let disk: TestDisk | null = null;
  let stack: Stack;
  let issuer: LocalIssuer;
  let attempts: Attempts;

  /** A change that the database has to hold. */
  const write = async (name = 'other'): Promise<number> =>
    (await adminOnce(stack, 'POST', '/v1/apply', [policy(name, ['X:Y'], ['*'])])).status;

  beforeAll(async () => {
    disk = refusal === null ? await TestDisk.make('tmpfs') : null;
    const place = disk === null ? {} : { postgresDisk: disk };
    [stack, issuer] = await Promise.all([startTestStack(place), startLocalIssuer()]);
    attempts = new Attempts(stack, issuer);
    await apply(stack, acmeWeb(issuer.iss));
    await attempts.untilGranted();
  });

  afterAll(async () => {
    await stack?.stop();
    await issuer?.stop();
    await disk?.remove();
  });

  it('Redis: no token is issued without it, and the refused token works afterwards', async () => {
    const refused = await attempts.token();
    await stack.redis.kill();
    await attempts.expectUnavailable(refused);
    await stack.redis.restart();
    await attempts.untilGranted(refused);
  });

  it('Redis frozen: the same, and a token of a call that timed out is never used twice', async () => {
    const caught = await attempts.token();
    stack.redis.pause();
    await attempts.expectUnavailable(caught);
    stack.redis.resume();
    await attempts.untilGranted();
    const answers = [await attempts.once(caught), await attempts.once(caught)];
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
  });

  it('NATS: no token is issued that is not recorded', async () => {
    const refused = await attempts.token();
    await stack.nats.kill();
    await attempts.expectUnavailable(refused);
    await stack.nats.restart();
    await attempts.untilGranted(refused);
  });

  it('PostgreSQL: exchanges go on from the last snapshot, admin calls answer 503, and every grant reaches the trail', async () => {
    await attempts.untilGranted();
    await stack.postgres.kill();
    await attempts.untilGranted();
    expect((await adminOnce(stack, 'GET', '/v1/resources')).status).toBe(503);
    await stack.postgres.restart();
    await attempts.recorded();
  });

  it('PostgreSQL that drops its connections and comes back read-only: the same, and no process ends of it (R-19)', async () => {
    const { pathname } = new URL(stack.databaseUrl('audit'));
    const database = pathname.slice(1);
    const failOver = async (change: string): Promise<void> => {
      const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`;
      await runSql(stack.postgres.url, `ALTER DATABASE ${database} ${change}`, terminate);
    };
    await failOver('SET default_transaction_read_only = on');
    await attempts.untilGranted();
    expect(await write()).toBe(503);
    await failOver('RESET default_transaction_read_only');
    await eventually(async () => expect(await write()).toBe(200));
    await attempts.recorded();
    const live = await Promise.all(stack.services.map(({ url }) => fetch(`${url}/health/live`)));
    expect(live.map(({ status }) => status)).toEqual(stack.services.map(() => 200));
  });

  testUnless(
    refusal,
    'PostgreSQL with a full disk: exchanges go on, changes are refused, and with room every grant reaches the trail (R-18)',
    async () => {
      // What is logged has room: a log that finds none ends the server.
      await runSql(stack.postgres.url, 'SELECT pg_switch_wal()', 'CREATE TABLE of_a_new_segment ()');
      await disk?.leaveFree(0);
      let count = 0;
      await eventually(async () => expect(await write(`more-${(count += 1)}`)).toBe(503));
      for (let left = 20; left > 0; left -= 1) expect((await attempts.once()).status).toBe(200);
      await disk?.leaveFree(ROOM_BYTES);
      await eventually(async () => expect(await write()).toBe(200));
      await attempts.recorded();
    },
  );
});
