/// <reference types="jest" />
import type { Page, RecordedEvent } from '@countersign/contracts';
import { eventually, startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { admin, apply, claimsOf, eventsOf, exchange, type Answer } from '../support/client';
import { githubClaims, jwtIssuer, policy, role, type Spec } from '../support/documents';
import type { EmbeddedSystem } from '../support/embedded';

/** Cases for an embedded system that nobody stops; `given` is it, once it runs. */
export function roleStatesCases(given: () => EmbeddedSystem): void {
  describe('a Role that is shadow or disabled', () => {
    let system: EmbeddedSystem;
    let issuer: LocalIssuer;

    beforeAll(async () => {
      system = given();
      issuer = await startLocalIssuer();
      await apply(system, [
        jwtIssuer('states', issuer.iss),
        policy('granted', ['Function:Read'], ['*']),
        policy('rehearsed', ['Function:Delete'], ['*']),
        roleOf('granting', 'granted', { condition: mainBranch() }),
        roleOf('shadow', 'rehearsed', { shadow: true, maxTokenExpiry: '1m' }),
        roleOf('disabled', 'rehearsed', { disabled: true }),
        roleOf('both', 'rehearsed', { disabled: true, shadow: true }),
        roleOf('unmatched', 'rehearsed', { shadow: true, condition: { StringEqual: { ...iss(), 'jwt:ref': ['x'] } } }),
      ]);
    });

    afterAll(() => issuer?.stop());

    const iss = () => ({ 'jwt:iss': [issuer.iss], 'jwt:repository_id': ['1001'] });
    const mainBranch = () => ({ StringEqual: { ...iss(), 'jwt:ref': ['refs/heads/main'] } });
    const roleOf = (name: string, granted: string, more: Spec): object =>
      role(name, { policy: [granted], condition: { StringEqual: iss() }, ...more });

    const attempt = async (ref: string, fields: Record<string, string> = {}) =>
      exchange(system, await issuer.sign(githubClaims(issuer.iss, { ref })), fields);
    const refusedDecision = async ({ body }: Answer) => {
      const [event] = await eventsOf(system, String(body.trace_id));
      return event?.data['decision'];
    };
    const grantedDecision = (jti: unknown) =>
      eventually(async () => {
        const { items } = (await admin(system, 'GET', '/v1/events?role=granting&limit=50')).body as Page<RecordedEvent>;
        const found = items.find(({ data }) => (data['token'] as { jti: string } | null)?.jti === jti);
        if (found === undefined) throw new Error('not recorded yet');
        return found.data['decision'];
      });

    it('grants nothing beside a role that does: a shadow is recorded, a disabled one is not', async () => {
      const { status, body } = await attempt('refs/heads/main');
      expect(status).toBe(200);
      const claims = claimsOf(body.access_token as string);
      expect(claims).toMatchObject({ roles: ['granting'], policy: ['granted'] });
      // Its lifetime does not count.
      expect(Number(claims['exp']) - Number(claims['iat'])).toBe(900);
      expect(await grantedDecision(claims['jti'])).toMatchObject({
        roles: ['granting'],
        shadowRoles: ['shadow'],
        policies: ['granted'],
      });
    });

    it('lets nobody in alone, and the refusal records what a shadow would have done', async () => {
      const answer = await attempt('refs/heads/dev');
      expect(answer).toMatchObject({ status: 400, body: { error_description: 'not authorized' } });
      expect(await refusedDecision(answer)).toMatchObject({ roles: [], shadowRoles: ['shadow'], policies: [] });
    });

    it.each(['role:shadow', 'role:disabled', 'role:both'])('cannot be asked for: %s', async (scope) => {
      const { status, body } = await attempt('refs/heads/main', { scope });
      expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_scope' });
    });

    it('grants once it is neither, and no more once it is again', async () => {
      await apply(system, [roleOf('shadow', 'rehearsed', {})]);
      const granted = await attempt('refs/heads/dev');
      expect(claimsOf(granted.body.access_token as string)).toMatchObject({ roles: ['shadow'] });
      await apply(system, [roleOf('shadow', 'rehearsed', { disabled: true })]);
      const refused = await attempt('refs/heads/dev');
      expect(refused.body).toMatchObject({ error_description: 'not authorized' });
      expect(await refusedDecision(refused)).toMatchObject({ shadowRoles: [] });
    });
  });

  describe('a Role and a Policy that are deleted, and others that take their names (POL-36)', () => {
    let system: EmbeddedSystem;
    let issuer: LocalIssuer;

    beforeAll(async () => void ([system, issuer] = [given(), await startLocalIssuer()]));
    afterAll(() => issuer?.stop());

    const documents = (repositoryId: string, ...actions: string[]): object[] => [
      jwtIssuer('again', issuer.iss),
      policy('again', actions, ['*']),
      role('again', {
        policy: ['again'],
        condition: { StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository_id': [repositoryId] } },
      }),
    ];
    const tokenFor = async (repositoryId: string): Promise<string> =>
      (await exchange(system, await issuer.sign(githubClaims(issuer.iss, { repository_id: repositoryId })))).body
        .access_token as string;
    const may = async (token: string, action: string): Promise<boolean> => {
      const subject = { type: 'access_token', id: token };
      const question = { subject, action: { name: action }, resource: { type: 'function', id: 'web' } };
      return (await admin(system, 'POST', '/access/v1/evaluation', question)).body.decision as boolean;
    };
    const remove = async (kind: string): Promise<void> => {
      expect((await admin(system, 'DELETE', `/v1/resources/${kind}/again`)).status).toBe(204);
    };

    it('are not those that granted the tokens of before', async () => {
      await apply(system, documents('1', 'Function:Read'));
      const old = await tokenFor('1');
      await apply(system, documents('1', 'Function:Read', 'Function:List'));
      expect([await may(old, 'Function:Read'), await may(old, 'Function:List')]).toEqual([true, true]);
      await remove('Role');
      expect(await may(old, 'Function:Read')).toBe(true);
      await remove('Policy');
      expect(await may(old, 'Function:Read')).toBe(false);
      await apply(system, documents('2', 'Function:Read', 'Function:Delete', 'Iam:Read'));
      const fresh = await tokenFor('2');
      expect([await may(fresh, 'Function:Read'), await may(fresh, 'Function:Delete')]).toEqual([true, true]);
      expect([await may(old, 'Function:Read'), await may(old, 'Function:Delete')]).toEqual([false, false]);
      expect((await admin({ ...system, adminToken: fresh }, 'GET', '/v1/resources')).status).toBe(200);
      expect((await admin({ ...system, adminToken: old }, 'GET', '/v1/resources')).status).toBe(403);
    });

    it('do not let a narrowed token out of that', async () => {
      await apply(system, documents('1', 'Function:Read'));
      const old = await tokenFor('1');
      await remove('Role');
      await remove('Policy');
      await apply(system, documents('1', 'Function:Read'));
      const type = 'urn:ietf:params:oauth:token-type:access_token';
      const narrow = (fields: Record<string, string>): Promise<Answer> =>
        exchange(system, old, { subject_token_type: type, ...fields });
      const child = await narrow({});
      expect(child.status).toBe(200);
      expect(await may(child.body.access_token as string, 'Function:Read')).toBe(false);
      const wanted = { type: 'countersign_permission', actions: ['Function:Read'], resources: ['function:web'] };
      expect((await narrow({ authorization_details: JSON.stringify([wanted]) })).status).toBe(400);
    });
  });
}
