/// <reference types="jest" />
import { eventually, type Stack } from '@countersign/testing';
import { apply, claimsOf, eventsOf, exchange } from '../support/client';
import { policy } from '../support/documents';
import { FIELD_CASES } from './field-cases';
import { probeToken, trustedIssuer, tryToken, type Trusted } from './trusted';

/** Documents whose effect shows in the token that is issued, and not in whether one is. */
const SHAPES = {
  'one-use': {},
  'many-uses': { spec: { singleUse: false } },
  'short-lived': { spec: { tokenExpiry: '2m' } },
  bound: { spec: { boundToSubjectExpiry: true } },
  'own-carry': { spec: { platform: 'github', carry: ['jwt:team', '/nested/a'] } },
  'no-carry': { spec: { platform: 'github', carry: [] } },
  'github-carry': { spec: { platform: 'github' } },
  'circleci-carry': { spec: { platform: 'circleci' } },
  'keycloak-carry': { spec: { platform: 'keycloak' } },
} as const;

/** Cases for a stack that nobody stops; `given` is it, once it runs. */
export function issuerFieldCases(given: () => Stack): void {
  describe('each field of a JwtIssuer, through POST /v1/apply and POST /oauth2/token', () => {
    const cases = new Map<string, Trusted>();
    let stack: Stack;

    const named = (name: string): Trusted => {
      const trusted = cases.get(name);
      if (trusted === undefined) throw new Error(`no issuer for ${name}`);
      return trusted;
    };

    beforeAll(async () => {
      for (const [index, one] of FIELD_CASES.entries())
        cases.set(one.field, await trustedIssuer(`field-${index}`, one));
      for (const [name, one] of Object.entries(SHAPES)) cases.set(name, await trustedIssuer(name, one));
      stack = given();
      const documents = [...cases.values()].flatMap((one) => one.documents);
      await apply(stack, [policy('deploy', ['Function:Deploy'], ['staging:*']), ...documents]);
      await eventually(async () => expect((await tryToken(stack, named('one-use'))).status).toBe(200));
    });

    afterAll(async () => {
      await Promise.all([...cases.values()].map(({ issuer }) => issuer.stop()));
    });

    describe.each(FIELD_CASES)('$field', ({ field, probes }) => {
      it.each(probes)('$says: $wants', async (probe) => {
        const { status, body } = await tryToken(stack, named(field), probe);
        if (probe.wants === null) {
          expect({ status, body }).toMatchObject({ status: 200, body: { token_type: 'Bearer' } });
          return;
        }
        expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_request' });
        const [event] = await eventsOf(stack, body.trace_id as string);
        expect(event?.data).toMatchObject({ outcome: 'denied', reason: probe.wants, class: body.error_description });
      });
    });

    it('jwksUri skips the discovery document, jwks the network', () => {
      expect(named('jwksUri').issuer.requests.discovery).toBe(0);
      expect(named('jwks').issuer.requests).toEqual({ discovery: 0, jwks: 0 });
    });

    it.each([
      ['with a jti', {}],
      ['without one', { claims: { jti: undefined } }],
    ])('singleUse: a token %s is exchanged once, and with false as often as it is valid', async (_, probe) => {
      const once = await probeToken(named('one-use'), probe);
      expect((await exchange(stack, once)).status).toBe(200);
      const again = await exchange(stack, once);
      expect(again).toMatchObject({ status: 400, body: { error_description: 'token already used' } });
      const often = await probeToken(named('many-uses'), probe);
      const answers = [await exchange(stack, often), await exchange(stack, often)];
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      expect(new Set(answers.map(({ body }) => claimsOf(body.access_token as string)['jti'])).size).toBe(2);
    });

    it('tokenExpiry is how long the token lives, 15 minutes unless said', async () => {
      expect((await tryToken(stack, named('one-use'))).body.expires_in).toBe(900);
      expect((await tryToken(stack, named('short-lived'))).body.expires_in).toBe(120);
    });

    it('boundToSubjectExpiry ends the token with the subject token, and issues none after its end', async () => {
      const token = await probeToken(named('bound'), { times: { exp: 100 } });
      const { body } = await exchange(stack, token);
      expect(claimsOf(body.access_token as string)['exp']).toBe(claimsOf(token)['exp']);
      const unbound = await probeToken(named('one-use'), { times: { exp: 100 } });
      const longer = await exchange(stack, unbound);
      expect(claimsOf(longer.body.access_token as string)['exp']).toBeGreaterThan(claimsOf(unbound)['exp'] as number);
      const late = await tryToken(stack, named('bound'), { times: { exp: -30 } });
      const [event] = await eventsOf(stack, late.body.trace_id as string);
      expect(event?.data).toMatchObject({ reason: 'expired' });
    });

    const claims = {
      ...{ repository: 'acme/web', repository_id: '1', actor_id: '7', secret: 'x' },
      ...{ team: 'ops', nested: { a: 1, b: 2 }, email: 'a@example.com', preferred_username: 'al' },
      'oidc.circleci.com/project-id': 'p1',
    };

    it.each([
      ['own-carry', { team: 'ops', nested: { a: 1 } }],
      ['no-carry', {}],
      ['github-carry', { repository: 'acme/web', repository_id: '1', actor_id: '7' }],
      ['circleci-carry', { 'oidc.circleci.com/project-id': 'p1' }],
      ['keycloak-carry', { preferred_username: 'al' }],
    ])('carry: %s puts exactly %j into fed.claims', async (name, carried) => {
      const { body } = await tryToken(stack, named(name), { claims });
      expect(claimsOf(body.access_token as string)['fed']).toMatchObject({ claims: expect.anything() });
      expect((claimsOf(body.access_token as string)['fed'] as { claims: unknown }).claims).toEqual(carried);
    });

    it('carry leaves an address in where the issuer vouches for it', async () => {
      const verified = { ...claims, email_verified: true };
      const { body } = await tryToken(stack, named('keycloak-carry'), { claims: verified });
      expect(claimsOf(body.access_token as string)['fed']).toMatchObject({ claims: { email: 'a@example.com' } });
    });
  });
}
