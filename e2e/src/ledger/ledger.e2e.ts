import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RecordedEvent } from '@countersign/contracts';
import { eventually, seeded, startLocalIssuer, type LocalIssuer, type Stack } from '@countersign/testing';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { admin, apply, exchange, startTestStack } from '../support/client';
import { acmeWeb, githubClaims } from '../support/documents';
import { startWebhookReceiver } from '../support/webhook-receiver';
import { carryOut, planDeaths, type Death } from './chaos';
import { jtiOf, Ledger, readTrail, recordedTokens } from './ledger';
import { pick } from './random';

const isSoak = process.env.COUNTERSIGN_SOAK === '1';
const EXCHANGES = Number(process.env.COUNTERSIGN_LEDGER ?? (isSoak ? 10_000 : 300));
const DEATHS = isSoak ? Math.ceil(EXCHANGES / 100) : 7;
const CLIENTS = 6;
/** Of a hundred jobs: those that send their token twice at once, and those that send it again later. */
const [TWICE, AGAIN] = [0.05, 0.05];
const SEED = Number(process.env.COUNTERSIGN_SEED ?? Math.floor(Math.random() * 1_000_000));
const LONG_MS = 600_000;
// What is waited for in vain says so itself.
jest.setTimeout(2 * LONG_MS);
const cli = join(__dirname, '../../../apps/cli/bin/countersign.js');
const run = promisify(execFile);

describe(`services and servers that die at any moment (COUNTERSIGN_SEED=${SEED})`, () => {
  const random = seeded(SEED);
  let stack: Stack;
  let issuer: LocalIssuer;
  let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>;
  let ledger: Ledger;
  let plan: Death[];
  let trail: RecordedEvent[];

  async function client(): Promise<void> {
    while (ledger.uses.length < EXCHANGES) {
      await ledger.exchange(random() < TWICE ? 2 : 1);
      if (random() < AGAIN) await ledger.again(pick(random, ledger.uses));
    }
  }

  beforeAll(async () => {
    [stack, issuer, receiver] = await Promise.all([
      startTestStack({ replicas: { exchange: 2 } }),
      startLocalIssuer({ algorithms: ['ES256'] }),
      startWebhookReceiver(),
    ]);
    await apply(stack, acmeWeb(issuer.iss, { spec: { algorithms: ['ES256'] } }));
    expect((await admin(stack, 'POST', '/v1/webhooks', { url: receiver.url })).status).toBe(201);
    await eventually(async () => {
      const { status } = await exchange(stack, await issuer.sign(githubClaims(issuer.iss)));
      if (status !== 200) throw new Error(`not yet: ${status}`);
    });
    ledger = new Ledger(stack, issuer);
    plan = planDeaths(random, stack, EXCHANGES, DEATHS);
    await Promise.all([carryOut(plan, stack, () => ledger.uses.length), ...Array.from({ length: CLIENTS }, client)]);
    trail = await eventually(async () => {
      const events = await readTrail(stack);
      const recorded = new Set(recordedTokens(events));
      const missing = ledger.delivered.filter((token) => !recorded.has(jtiOf(token)));
      if (missing.length > 0) throw new Error(`${missing.length} tokens are not in the trail`);
      return events;
    }, LONG_MS);
  }, 3 * 3_600_000);

  afterAll(async () => {
    await stack?.stop();
    await Promise.all([issuer?.stop(), receiver?.stop()]);
  });

  it('I1: every token that was delivered is in the trail, and none twice', () => {
    expect(new Set(plan.map(({ victim }) => victim)).size).toBe(7);
    expect(ledger.delivered.length).toBeGreaterThan(EXCHANGES / 2);
    const recorded = recordedTokens(trail);
    expect(new Set(recorded).size).toBe(recorded.length);
    expect(new Set(trail.map(({ id }) => id)).size).toBe(trail.length);
  });

  it('I1: what the trail calls voided was delivered to nobody', () => {
    const delivered = new Set(ledger.delivered.map(jtiOf));
    const voided = trail.filter(({ type }) => type === 'dev.countersign.exchange.voided.v1');
    const jtis = voided.map(({ data }) => (data.token as { jti: string } | null)?.jti);
    expect(jtis.filter((jti) => jti !== undefined && delivered.has(jti))).toEqual([]);
  });

  it('I2: no subject token was exchanged twice', () => {
    expect(ledger.uses.filter(({ delivered }) => delivered.length > 1)).toEqual([]);
  });

  it('I3: the webhook got every event, each always with the same id and body, and nothing between', async () => {
    const byId = new Map<string, Set<string>>();
    // The last attempts are recorded, and delivered, while this asks. What was there at its start may be delivered, too.
    await eventually(async () => {
      const recorded = await readTrail(stack);
      const created = recorded.find(({ type }) => type === 'dev.countersign.webhook.created.v1');
      const wanted = recorded.filter(({ sequence }) => Number(sequence) > Number(created?.sequence));
      byId.clear();
      for (const { body } of receiver.received.items) {
        const { id } = JSON.parse(body) as RecordedEvent;
        byId.set(id, (byId.get(id) ?? new Set()).add(body));
      }
      const missing = wanted.filter(({ id }) => !byId.has(id));
      if (missing.length > 0) throw new Error(`${missing.length} of ${wanted.length} events were not delivered`);
      const ids = new Set(recorded.map(({ id }) => id));
      const unknown = [...byId.keys()].filter((id) => !ids.has(id));
      if (unknown.length > 0) throw new Error(`delivered, but not recorded: ${unknown.join()}`);
    }, LONG_MS);
    expect([...byId.values()].filter((bodies) => bodies.size > 1)).toEqual([]);
    const messageIds = receiver.received.items.map(({ headers, body }) => [
      (JSON.parse(body) as RecordedEvent).id,
      headers['webhook-id'],
    ]);
    expect(new Set(messageIds.map(([, id]) => id)).size).toBe(byId.size);
    expect(new Set(messageIds.map((pair) => pair.join())).size).toBe(byId.size);
    const places = [...byId.values()].flatMap((bodies) => [...bodies].map(endpointSequence)).sort((a, b) => a - b);
    expect(places).toEqual(places.map((_, index) => index + 1));
  });

  it('I5: every token that was delivered verifies against the keys that are published', async () => {
    const { keys } = (await (await fetch(`${stack.url}/oauth2/jwks`)).json()) as { keys: object[] };
    const keySet = createLocalJWKSet({ keys });
    // A soak outlives its tokens: what counts is the key.
    const currentDate = new Date(0);
    for (const token of ledger.delivered) {
      const { exp } = { exp: 0, ...(JSON.parse(payload(token)) as object) };
      currentDate.setTime((exp - 1) * 1_000);
      await jwtVerify(token, keySet, { issuer: stack.url, currentDate });
    }
  });

  it('I6: no client ever got anything but a token, a documented refusal, or 503 and 429 with Retry-After', () => {
    expect(ledger.undocumented).toEqual([]);
  });

  it('I7: the trail has no gap, and a signed checkpoint covers all of it and verifies', async () => {
    expect(trail.map(({ sequence }) => Number(sequence))).toEqual(trail.map((_, index) => index + 1));
    const folder = await mkdtemp(join(tmpdir(), 'countersign-ledger-'));
    const env = { PATH: process.env.PATH, COUNTERSIGN_URL: stack.url, COUNTERSIGN_TOKEN: stack.adminToken };
    const countersign = async (...args: string[]): Promise<string> =>
      (await run(process.execPath, [cli, ...args], { env, maxBuffer: 1 << 26 })).stdout;
    await eventually(async () => {
      await countersign('audit', 'export', folder);
      const { verified } = JSON.parse(await countersign('audit', 'verify', folder, '-o', 'json')) as {
        verified: number;
      };
      if (verified < trail.length) throw new Error(`${verified} of ${trail.length} are signed for`);
    }, LONG_MS);
    await rm(folder, { recursive: true, force: true });
  });
});

const payload = (token: string): string => Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();

const endpointSequence = (body: string): number =>
  Number((JSON.parse(body) as { endpointsequence: string | number }).endpointsequence);
