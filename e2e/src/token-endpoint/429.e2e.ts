import { startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { apply, exchange } from '../support/client';
import { githubClaims, jwtIssuer, policy, role } from '../support/documents';
import { startTemporarySystem } from '../support/temporary-system';

/** More than an identity may be refused in ten seconds. */
const FLOOD = 1_400;
const AT_ONCE = 50;

describe('a flood of refusals', () => {
  let issuer: LocalIssuer;
  let system: Awaited<ReturnType<typeof startTemporarySystem>>;

  const sign = (changes: Record<string, unknown> = {}): Promise<string> =>
    issuer.sign(githubClaims(issuer.iss, changes));

  /** Sends the same token again and again; how often each status came. */
  async function flood(token: string): Promise<Map<number, number>> {
    const statuses = new Map<number, number>();
    for (let sent = 0; sent < FLOOD; sent += AT_ONCE) {
      const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => exchange(system, token)));
      for (const { status, headers } of answers) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 429) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      }
    }
    return statuses;
  }

  beforeAll(async () => {
    [issuer, system] = await Promise.all([startLocalIssuer(), startTemporarySystem()]);
    await apply(system, [
      jwtIssuer('github', issuer.iss),
      policy('deploy', ['Function:Deploy'], ['staging:*']),
      role('deployers', {
        policy: ['deploy'],
        condition: { StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository_id': ['1001'] } },
      }),
    ]);
  }, 120_000);

  afterAll(async () => {
    await system?.stop();
    await issuer?.stop();
  });

  it('of a verified identity without a role ends in 429, and slows down nobody else of the same issuer and address', async () => {
    const statuses = await flood(await sign({ repository_id: '2', sub: 'repo:evil/x:ref:refs/heads/main' }));
    expect([...statuses.keys()].sort()).toEqual([400, 429]);
    expect(statuses.get(400)).toBeGreaterThanOrEqual(900);
    expect((await exchange(system, await sign())).status).toBe(200);
  });

  it('of nonsense from one address ends in 429 for that address', async () => {
    const statuses = await flood('nonsense');
    expect([...statuses.keys()].sort()).toEqual([400, 429]);
  });
});
