import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, generous, startLocalIssuer, type LocalIssuer, type Stack } from '@countersign/testing';
import { apply, exchange, startTestStack } from '../support/client';
import { acmeWeb, githubClaims } from '../support/documents';

const CLIENTS = 8;
const TRIES = 8;
const PAUSE_MS = 200;
const isSoak = process.env.COUNTERSIGN_SOAK === '1';
const SLOW_SOCKETS = isSoak ? 500 : 50;
const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange';
const jwtType = 'urn:ietf:params:oauth:token-type:jwt';

describe('stopping and starting, in the distributed mode', () => {
  let stack: Stack;
  let issuer: LocalIssuer;
  let dribbling: { socket: Socket; closedAfter: Promise<number> }[];

  const token = (): Promise<string> => issuer.sign(githubClaims(issuer.iss));

  /** An exchange over connections that are kept, at any address. */
  function send(url: string, agent: Agent, subjectToken: string): Promise<string> {
    const body = new URLSearchParams({
      grant_type: grantType,
      subject_token: subjectToken,
      subject_token_type: jwtType,
    }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length };
    return new Promise((resolve) => {
      request(`${url}/oauth2/token`, { method: 'POST', agent, headers }, (answer) => {
        answer.resume().on('end', () => resolve(String(answer.statusCode)));
      })
        .on('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'error'))
        .end(body);
    });
  }

  /**
   * As a client does: a 503 is tried again with the same token, a little later. One that arrives in the very moment in
   * which a listener closes gets it from nginx, which never sends a POST twice; others on a machine that is too busy.
   */
  async function sendUntilAnswered(url: string, agent: Agent, subjectToken: string): Promise<string> {
    for (let tries = 1; ; tries += 1) {
      const answer = await send(url, agent, subjectToken);
      if (answer !== '503' || tries === TRIES) return answer;
      await delay(PAUSE_MS);
    }
  }

  /** Exchanges from several clients without a pause until `work` has ended; counts what they got. */
  async function underLoad(url: string, work: () => Promise<void>): Promise<Record<string, number>> {
    const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
    const answers: Record<string, number> = {};
    let isOver = false;
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (!isOver) {
        const answer = await sendUntilAnswered(url, agent, await token());
        answers[answer] = (answers[answer] ?? 0) + 1;
      }
    });
    await work().finally(() => (isOver = true));
    await Promise.all(clients);
    agent.destroy();
    return answers;
  }

  const isReady = async (url: string): Promise<void> => {
    const { status } = await fetch(`${url}/health/ready`);
    if (status !== 200) throw new Error(`${url}: ${status}`);
  };

  function dribble(url: string): { socket: Socket; closedAfter: Promise<number> } {
    const { hostname, port } = new URL(url);
    const start = performance.now();
    const socket = connect(Number(port), hostname, () => socket.write('POST /oauth2/token HTTP/1.1\r\nHost: a\r\nX: '));
    const timer = setInterval(() => socket.write('a'), 2_000);
    socket.on('error', () => undefined).resume();
    const closedAfter = once(socket, 'close').then(() => {
      clearInterval(timer);
      return performance.now() - start;
    });
    return { socket, closedAfter };
  }

  beforeAll(async () => {
    // Without audit, events wait.
    const replicas = { exchange: 2, policy: 2, discovery: 2 };
    [stack, issuer] = await Promise.all([startTestStack({ replicas }), startLocalIssuer()]);
    await apply(stack, acmeWeb(issuer.iss));
    await eventually(async () => expect((await exchange(stack, await token())).status).toBe(200));
    const second = stack.replicasOf('exchange')[1]?.url ?? '';
    dribbling = Array.from({ length: SLOW_SOCKETS }, () => dribble(second));
  });

  afterAll(async () => {
    dribbling?.forEach(({ socket }) => socket.destroy());
    await stack?.stop();
    await issuer?.stop();
  });

  it('R-25, R-26: services that are stopped and started again in turn, under load, cost no job its exchange', async () => {
    const inTurn = isSoak ? stack.services : stack.services.filter(({ replica }) => replica === 1);
    const answers = await underLoad(stack.url, async () => {
      for (const service of inTurn) {
        await service.kill('SIGTERM');
        expect([service.name, service.exitCode]).toEqual([service.name, 0]);
        await service.restart();
      }
    });
    expect(Object.keys(answers)).toEqual(['200']);
    expect(answers['200']).toBeGreaterThan(20);
  });

  it('ADM-19: requests that dribble are cut off within 15 s, and nobody else waits for them', async () => {
    const durations = await Promise.all(dribbling.map(({ closedAfter }) => closedAfter));
    expect(Math.max(...durations)).toBeLessThan(generous(15_000));
  });

  it('R-41: services that start before their servers are live, and ready within 5 s of them', async () => {
    const { services, nats, redis, postgres } = stack;
    await Promise.all(services.map((service) => service.kill()));
    await Promise.all([nats.kill(), redis.kill(), postgres.kill()]);
    const restarted = services.map((service) => service.restart());
    await eventually(async () => {
      const states = await Promise.all(services.map(({ url }) => fetch(`${url}/health/live`)));
      expect(states.map(({ status }) => status)).toEqual(services.map(() => 200));
    }, 120_000);
    for (const { url } of services) expect((await fetch(`${url}/health/ready`)).status).toBe(503);
    await Promise.all([nats.restart(), redis.restart(), postgres.restart()]);
    const start = performance.now();
    await Promise.all(restarted);
    await eventually(async () => expect((await exchange(stack, await token())).status).toBe(200));
    await isReady(stack.url);
    expect(performance.now() - start).toBeLessThan(generous(5_000));
  });
});
