/// <reference types="jest" />
import type { SimulatedChange, SimulationAnswer } from '@countersign/contracts';
import { eventually, startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { admin, apply, exchange, type Target } from '../support/client';
import { githubClaims, jwtIssuer, policy, role } from '../support/documents';

/** Cases for a system that nobody stops; `given` is it, once it runs. */
export function simulateCases(given: () => Target): void {
  describe('recorded exchanges', () => {
    let system: Target;
    let issuer: LocalIssuer;
    let from: string;

    const mainOf = (repositories: string[]): object =>
      role('simulated', {
        policy: ['simulated'],
        trustedIps: ['127.0.0.0/8', '::1/128'],
        condition: {
          StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository': repositories, 'jwt:ref': ['refs/heads/main'] },
        },
      });
    const tokenOf = (repository: string): Promise<string> =>
      issuer.sign(githubClaims(issuer.iss, { repository, sub: `repo:${repository}:ref:refs/heads/main` }));
    const own = ({ groups }: SimulatedChange): [string, number][] =>
      groups.filter((group) => group.issuer === 'simulated').map(({ subject, count }) => [subject, count]);
    const simulate = async (documents: object[]): Promise<SimulationAnswer> => {
      const { status, body } = await admin(system, 'POST', '/v1/simulate', { documents, from });
      expect(status).toBe(200);
      return body as SimulationAnswer;
    };

    beforeAll(async () => {
      [system, issuer] = [given(), await startLocalIssuer()];
      await apply(system, [
        jwtIssuer('simulated', issuer.iss),
        policy('simulated', ['Function:Read'], ['*']),
        mainOf(['acme/web', 'acme/api']),
      ]);
      from = new Date().toISOString();
    });

    afterAll(() => issuer?.stop());

    it('show what a change would have done to them, and stay as they are', async () => {
      const unused = await tokenOf('acme/api');
      expect((await exchange(system, await tokenOf('acme/web'))).status).toBe(200);
      expect((await exchange(system, await tokenOf('acme/api'))).status).toBe(200);
      expect((await exchange(system, await tokenOf('evil/web'))).status).toBe(400);
      const change = [mainOf(['acme/web', 'evil/web'])];
      const answer = await eventually(async () => {
        const seen = await simulate(change);
        expect(own(seen.newlyAllowed)).toEqual([['repo:evil/web:ref:refs/heads/main', 1]]);
        expect(own(seen.newlyDenied)).toEqual([['repo:acme/api:ref:refs/heads/main', 1]]);
        return seen;
      });
      expect(answer.newlyDenied.groups.find((group) => group.issuer === 'simulated')).toMatchObject({
        roles: ['simulated'],
        statements: [{ policy: 'simulated', sid: 'allow' }],
      });
      const { evaluated, newlyAllowed, newlyDenied, unchanged } = answer;
      expect(newlyAllowed.count + newlyDenied.count + unchanged.count).toBe(evaluated);
      expect((await exchange(system, await tokenOf('evil/web'))).status).toBe(400);
      expect((await exchange(system, unused)).status).toBe(200);
    });

    it('are the same as enforcement when the change is made', async () => {
      const change = [mainOf(['acme/web', 'evil/web'])];
      await apply(system, change);
      expect((await exchange(system, await tokenOf('evil/web'))).status).toBe(200);
      expect((await exchange(system, await tokenOf('acme/api'))).status).toBe(400);
      const again = await simulate(change);
      expect([own(again.newlyAllowed), own(again.newlyDenied)]).toEqual([[], []]);
    });
  });
}
