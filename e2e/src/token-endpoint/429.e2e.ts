import { startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { apply, exchange } from '../support/client';
import { acmeWeb, githubClaims, jwtIssuer } from '../support/documents';
import { startTemporarySystem } from '../support/temporary-system';

/** What an identity or an address may be refused in a window. */
const REFUSALS = 1_000;
const WINDOW_MS = 10_000;
const FLOOD = 1_400;
const AT_ONCE = 50;
const OTHER = 'https://other.test';

describe('a flood of refusals (STS-26)', () => {
  let issuer: LocalIssuer;
  let system: Awaited<ReturnType<typeof startTemporarySystem>>;

  const sign = (changes: Record<string, unknown> = {}): Promise<string> =>
    issuer.sign(githubClaims(issuer.iss, changes));

  /**
   * Sends the same token again and again: no window lets more refusals through than are allowed, and what comes after
   * them is 429. A machine that is too slow for a flood shows the first alone.
   */
  async function flood(token: string): Promise<void> {
    const start = performance.now();
    const statuses = new Map<number, number>();
    for (let sent = 0; sent < FLOOD; sent += AT_ONCE) {
      const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => exchange(system, token)));
      for (const { status, headers } of answers) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 429) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      }
    }
    const took = performance.now() - start;
    const windows = Math.floor(took / WINDOW_MS) + 2;
    const isFlood = took < WINDOW_MS;
    const refused = statuses.get(400) ?? 0;
    expect(refused).toBeGreaterThanOrEqual(REFUSALS - 2 * AT_ONCE);
    expect(refused).toBeLessThanOrEqual(REFUSALS * (isFlood ? 1 : windows) + AT_ONCE);
    expect([...statuses.keys()].sort()).toEqual(isFlood || statuses.has(429) ? [400, 429] : [400]);
  }

  beforeAll(async () => {
    const behindProxy = { COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1' };
    [issuer, system] = await Promise.all([startLocalIssuer(), startTemporarySystem(behindProxy)]);
    const other = jwtIssuer('other', OTHER, { jwks: issuer.jwks() });
    await apply(system, [...acmeWeb(issuer.iss, { resource: ['staging:*'] }), other]);
  });

  afterAll(async () => {
    await system?.stop();
    await issuer?.stop();
  });

  it('of a verified identity without a role ends in 429, and slows down nobody else of the same issuer and address', async () => {
    await flood(await sign({ repository_id: '2', sub: 'repo:evil/x:ref:refs/heads/main' }));
    expect((await exchange(system, await sign())).status).toBe(200);
    // Nor do refusals of another issuer count with them.
    expect((await exchange(system, await sign({ iss: OTHER }))).status).toBe(400);
  });

  it('of nonsense from one address ends in 429 for that address alone', async () => {
    await flood('nonsense');
    expect((await exchange(system, await sign(), {}, { 'x-forwarded-for': '10.0.0.9' })).status).toBe(200);
  });
});
