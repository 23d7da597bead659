import { eventually, generous } from '@countersign/testing';
import { admin, claimsOf, type Target } from '../support/client';
import { githubClaims } from '../support/documents';
import { outcome, reachesFrozenRedis, retried, startReplayStack, trust, use, type ReplayStack } from './replay-stack';

const SOAK = process.env.COUNTERSIGN_SOAK === '1';
const WORKERS = 12;

let system: ReplayStack;
beforeAll(async () => void (system = await startReplayStack()));
afterAll(async () => system?.stop());

const replica = (index: number): Target => system.replicas[index % system.replicas.length] as Target;
const sign = (changes: Record<string, unknown> = {}): Promise<string> =>
  system.issuer.sign(githubClaims(system.issuer.iss, changes));

interface Load {
  /** Every token that was granted. */
  used: string[];
  outcomes: Set<string>;
  stop(): Promise<void>;
}

/** Clients that go on fetching tokens and exchanging each once, over all replicas. */
function startLoad(): Load {
  const load: Load = { used: [], outcomes: new Set(), stop: async () => undefined };
  let isOver = false;
  const worker = async (number: number): Promise<void> => {
    for (let turn = 0; !isOver; turn++) {
      const token = await sign();
      const answer = await outcome(replica(number + turn), token);
      load.outcomes.add(answer);
      if (answer === 'granted') load.used.push(token);
    }
  };
  const workers = Array.from({ length: WORKERS }, (_, number) => worker(number));
  load.stop = async () => {
    isOver = true;
    await Promise.all(workers);
  };
  return load;
}

/** Milliseconds until a token fetched now is let through, by each of the replicas. */
async function untilFreshTokensWork(): Promise<number> {
  const start = performance.now();
  const works = (one: Target): Promise<void> =>
    eventually(async () => expect(await outcome(one, await sign())).toBe('granted'));
  await Promise.all(system.replicas.map(works));
  return performance.now() - start;
}

describe('Redis loses its memory under load (R-01, R-03, RPL-10)', () => {
  const losses: [string, () => Promise<unknown>][] = [
    ['kill -9 and an empty start', () => system.loseRedis()],
    ['FLUSHALL', () => system.redis('FLUSHALL')],
    ['a lost sentinel', () => system.redis('DEL', 'cs:exchange:epoch')],
  ];
  test.each(losses)('no used token is let through again, fresh ones are within two seconds: %s', async (_, lose) => {
    const load = startLoad();
    await eventually(() => expect(load.used.length).toBeGreaterThan(50));
    const before = [...load.used];
    await lose();
    const waited = await untilFreshTokensWork();
    const enough = load.used.length + 50;
    await eventually(() => expect(load.used.length).toBeGreaterThan(enough));
    await load.stop();
    expect([...load.outcomes].filter((one) => !['granted', 'not valid', 'unavailable'].includes(one))).toEqual([]);
    const again = await Promise.all(load.used.map((token, index) => retried(replica(index + 1), token)));
    expect(again.filter((one) => one === 'granted')).toEqual([]);
    expect(before.length).toBeGreaterThan(50);
    expect(waited).toBeLessThan(generous(2_000));
  });

  test('a token used before its iat is refused as well, and costs other issuers nothing', async () => {
    const iss = 'https://ahead.test';
    await trust(system.stack, { iss }, { jwks: system.issuer.jwks() }, 'ahead');
    const early = await sign({ iss, iat: Math.floor(Date.now() / 1000) + 40 });
    expect(await retried(replica(0), early)).toBe('granted');
    await system.redis('FLUSHALL');
    await untilFreshTokensWork();
    for (const index of [0, 1, 2]) expect(await retried(replica(index), early)).toBe('not valid');
  });

  test('one that comes back with all it acknowledged refuses nothing but what was used (kill -9, append-only file)', async () => {
    const [used, unused] = [await sign(), await sign()];
    expect(await retried(replica(0), used)).toBe('granted');
    await system.stack.redis.kill();
    expect(await outcome(replica(1), unused)).toBe('unavailable');
    await system.stack.redis.restart();
    expect(await retried(replica(2), unused)).toBe('granted');
    expect(await retried(replica(1), used)).toBe('used before');
  });
});

describe('a failure of our own gives the token back', () => {
  /** Brings an exchange to the point where its reservation waits in a frozen Redis. */
  async function atTheReservation(target: Target, token: string): Promise<{ answer: ReturnType<typeof use> }> {
    // Discovery's keys are in memory by then: nothing but the reservation needs Redis.
    expect(await retried(target, await sign())).toBe('granted');
    system.stack.redis.pause();
    const answer = use(target, token);
    const isThere = reachesFrozenRedis(system.stack.redis.port).then(() => true);
    isThere.catch(() => undefined);
    const isAnswered = answer.then(
      () => false,
      () => false,
    );
    if (await Promise.race([isThere, isAnswered])) return { answer };
    // Something else had found out that Redis is late: nothing was reserved.
    system.stack.redis.resume();
    return atTheReservation(target, token);
  }

  const eventsAbout = async (jti: string): Promise<{ type: string; jti: string }[]> => {
    const { body } = await admin(system.stack, 'GET', '/v1/events?limit=200');
    const items = body.items as { type: string; data: { claims: { jti?: string }; token: { jti: string } | null } }[];
    return items
      .filter(({ data }) => data.claims?.jti === jti && data.token !== null)
      .map(({ type, data }) => ({ type: type.split('.').at(-2) ?? '', jti: data.token?.jti ?? '' }));
  };

  test('the answer of Redis does not come: the retry works at another replica, once (RPL-15, R-02)', async () => {
    const token = await sign();
    const { answer } = await atTheReservation(replica(0), token);
    expect((await answer).status).toBe(503);
    system.stack.redis.resume();
    await eventually(async () => expect(await outcome(replica(1), token)).toBe('granted'));
    expect([await retried(replica(0), token), await retried(replica(2), token)]).toEqual([
      'used before',
      'used before',
    ]);
  });

  /** Exchanges while NATS ends after the reservation, again when it is back; how many grants became void. */
  async function exchangeWithoutNats(end: () => Promise<void> | void, begin: () => Promise<void> | void) {
    const jti = crypto.randomUUID();
    const token = await sign({ jti });
    const { answer } = await atTheReservation(replica(0), token);
    await end();
    system.stack.redis.resume();
    expect((await answer).status).toBe(503);
    await begin();
    let granted = '';
    await eventually(async () => {
      const { status, body } = await use(replica(1), token);
      expect(status).toBe(200);
      granted = claimsOf(body.access_token).jti as string;
    });
    for (const index of [0, 1, 2]) expect(await retried(replica(index), token)).toBe('used before');
    return eventually(async () => {
      const events = await eventsAbout(jti);
      const voided = new Set(events.filter(({ type }) => type === 'voided').map((one) => one.jti));
      const standing = events.filter((one) => one.type === 'granted' && !voided.has(one.jti));
      expect(standing.map((one) => one.jti)).toEqual([granted]);
      expect(voided.has(granted)).toBe(false);
      return voided.size;
    });
  }

  test('NATS is killed after the reservation: the retry works, once', async () => {
    const { nats } = system.stack;
    await exchangeWithoutNats(
      () => nats.kill(),
      () => nats.restart(),
    );
  });

  test('NATS is frozen after the reservation: the retry works, once; what never left is void', async () => {
    const { nats } = system.stack;
    // What a frozen server had received it stores when it goes on; nothing, when a slow machine took longer over the
    // reservation than the exchange waits for it.
    await eventually(async () => {
      const voided = await exchangeWithoutNats(
        () => nats.pause(),
        () => nats.resume(),
      );
      expect(voided).toBe(1);
    });
  });

  /** Kills an exchange while its reservation waits; whether it was killed before it had given up. */
  async function killedAtTheReservation(token: string): Promise<boolean> {
    const [service] = system.stack.replicasOf('exchange');
    const { answer } = await atTheReservation(replica(0), token);
    await service?.kill('SIGKILL');
    system.stack.redis.resume();
    const isKilled = await answer.then(
      () => false,
      () => true,
    );
    await service?.restart();
    return isKilled;
  }

  test('an exchange killed after the reservation leaves the token used and nothing issued (R-28)', async () => {
    let jti = '';
    let token = '';
    do {
      jti = crypto.randomUUID();
      token = await sign({ jti });
    } while (!(await killedAtTheReservation(token)));
    expect(await retried(replica(0), token)).toBe('used before');
    expect(await retried(replica(0), await sign())).toBe('granted');
    expect(await eventsAbout(jti)).toEqual([]);
  });
});

test(`of many uses at once exactly one is granted while Redis stalls again and again (R-47)`, async () => {
  for (let round = 0; round < (SOAK ? 50 : 3); round++) {
    const token = await sign();
    let isOver = false;
    const stalls = (async () => {
      while (!isOver) {
        system.stack.redis.pause();
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 50));
        system.stack.redis.resume();
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const outcomes = await Promise.all(Array.from({ length: 60 }, (_, index) => retried(replica(index), token)));
    isOver = true;
    await stalls;
    expect(outcomes.filter((one) => one !== 'used before')).toEqual(['granted']);
  }
}, 300_000);
