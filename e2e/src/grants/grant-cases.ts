/// <reference types="jest" />
import { generateIssuerKey, startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { admin, apply, claimsOf, eventsOf, exchange, requestToken, type Answer } from '../support/client';
import { githubClaims, jwtIssuer, role } from '../support/documents';
import type { EmbeddedSystem } from '../support/embedded';

const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const CLIENT_ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const audiences = ['https://a.test', 'https://b.test'];
const now = (): number => Math.floor(Date.now() / 1000);

const statement = (sid: string, effect: string, action: string[], resource: string[]) => ({
  sid,
  effect,
  action,
  resource,
});
const policyOf = (name: string, ...statements: object[]) => ({
  apiVersion: 'countersign.dev/v1',
  kind: 'Policy',
  metadata: { name },
  spec: { statement: statements },
});

/** Cases for an embedded system that nobody stops; `given` is it, once it runs. */
export function grantCases(given: () => EmbeddedSystem): void {
  describe('the grants of the token endpoint', () => {
    let issuer: LocalIssuer;
    let bots: LocalIssuer;
    let system: EmbeddedSystem;

    const sign = (changes: Record<string, unknown> = {}): Promise<string> =>
      issuer.sign(githubClaims(issuer.iss, changes));
    const botClaims = (changes: Record<string, unknown> = {}) =>
      githubClaims(bots.iss, { sub: 'deploy-bot', repository_id: '7', repository: 'bots/bots', ...changes });
    const bot = (): Promise<string> => bots.sign(botClaims());
    const issued = (answer: Answer) => {
      expect({ status: answer.status, error: answer.body.error }).toEqual({ status: 200, error: undefined });
      return claimsOf(answer.body.access_token);
    };
    const refused = ({ status, body }: Answer) => ({ status, error: body.error, text: body.error_description });

    beforeAll(async () => {
      system = given();
      [issuer, bots] = await Promise.all([startLocalIssuer(), startLocalIssuer()]);
      const condition = { StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository_id': ['1001'] } };
      await apply(system, [
        jwtIssuer('github', issuer.iss),
        jwtIssuer('bots', bots.iss),
        policyOf('read', statement('r', 'Allow', ['Function:Read'], ['*'])),
        policyOf('deploy', statement('d', 'Allow', ['Function:Deploy', 'Function:Read'], ['staging:*'])),
        policyOf('never', statement('n', 'Deny', ['Function:Delete'], ['staging:core'])),
        role('readers', { policy: ['read'], condition, audience: audiences, multipleAudiences: true }),
        role('deployers', { policy: ['deploy'], condition, audience: audiences, multipleAudiences: true }),
        role('own', { policy: ['read', 'deploy', 'never'], condition }),
      ]);
    });

    afterAll(async () => {
      await Promise.all([issuer?.stop(), bots?.stop()]);
    });

    describe('jwt-bearer (RFC 7523)', () => {
      it('takes an assertion of a trusted issuer, once', async () => {
        const assertion = await sign();
        const answer = await requestToken(system, { grant_type: BEARER, assertion });
        expect(answer.body).not.toHaveProperty('issued_token_type');
        expect(issued(answer)).toMatchObject({ client_id: 'github', roles: ['own'] });
        expect(refused(await requestToken(system, { grant_type: BEARER, assertion }))).toEqual({
          status: 400,
          error: 'invalid_grant',
          text: 'token already used',
        });
      });

      it('refuses a bad assertion and one without a role with invalid_grant', async () => {
        const cases: [string, string][] = [
          ['nonsense', 'malformed token'],
          [await sign({ repository_id: '2' }), 'not authorized'],
          [await sign({ aud: 'https://elsewhere.test' }), 'audience not accepted'],
        ];
        for (const [assertion, text] of cases) {
          const answer = await requestToken(system, { grant_type: BEARER, assertion });
          expect(refused(answer)).toEqual({ status: 400, error: 'invalid_grant', text });
        }
      });
    });

    describe('client_credentials with a client_assertion of a trusted issuer', () => {
      const form = (client_assertion: string, more: Record<string, string> = {}) => ({
        grant_type: 'client_credentials',
        client_assertion_type: CLIENT_ASSERTION,
        client_assertion,
        ...more,
      });

      it('is limited to the Role that client_id names', async () => {
        const answer = await requestToken(
          system,
          form(await sign(), { client_id: 'deployers', audience: 'https://a.test' }),
        );
        expect(issued(answer)).toMatchObject({
          roles: ['deployers'],
          policy: ['deploy'],
          aud: 'https://a.test',
        });
      });

      it('refuses with invalid_client: 400, or 401 to a client that used the Authorization header', async () => {
        const stranger = await sign({ repository_id: '2' });
        expect(refused(await requestToken(system, form(stranger)))).toEqual({
          status: 400,
          error: 'invalid_client',
          text: 'not authorized',
        });
        const answer = await requestToken(system, form(stranger), { authorization: 'Basic Y2xpZW50OnNlY3JldA==' });
        expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
        expect(answer.headers.get('www-authenticate')).toMatch(/^Basic /);
      });

      it('tells an unknown Role from one that is not for this client by nothing', async () => {
        const answers = await Promise.all(
          ['no-such-role', 'own'].map(async (client_id) =>
            refused(await requestToken(system, form(await bot(), { client_id }))),
          ),
        );
        expect(answers[0]).toEqual(answers[1]);
      });
    });

    describe('narrowing', () => {
      it('by scope, audience and resource gives what was asked for and no more', async () => {
        const form = new URLSearchParams([
          ['audience', 'https://a.test'],
          ['resource', 'https://b.test'],
          ['scope', 'role:readers'],
        ]);
        const answer = await exchange(system, await sign(), form);
        expect(answer.body.scope).toBe('role:readers');
        expect(issued(answer)).toMatchObject({ aud: audiences, roles: ['readers'] });
      });

      it('a Deny of the identity stays in force whatever the scope leaves out', async () => {
        const claims = issued(await exchange(system, await sign(), { scope: 'policy:read' }));
        expect(claims.policy).toEqual(['never', 'read']);
      });

      it.each([
        ['audience=https://c.test', 'invalid_target'],
        ['audience=https://a.test&audience=https://c.test', 'invalid_target'],
        ['audience=https://a.test&resource=https://c.test', 'invalid_target'],
        ['resource=https://a.test&resource=/relative', 'invalid_target'],
        ['resource=https://a.test%23fragment', 'invalid_target'],
        ['scope=role:none', 'invalid_scope'],
        ['scope=role:readers role:none', 'invalid_scope'],
        ['scope=policy:none', 'invalid_scope'],
        ['scope=Function:Admin Secret:Write', 'invalid_scope'],
      ])('%s is refused with %s, and the token can still be exchanged (STS-01, STS-04)', async (fields, error) => {
        const token = await sign();
        expect((await exchange(system, token, new URLSearchParams(fields))).body.error).toBe(error);
        expect((await exchange(system, token)).status).toBe(200);
      });
    });

    describe('authorization_details (RFC 9396)', () => {
      const details = (...permissions: [string[], string[]][]) => ({
        authorization_details: JSON.stringify(
          permissions.map(([actions, resources]) => ({ type: 'countersign_permission', actions, resources })),
        ),
      });
      const decide = async (token: string, action: string, id: string): Promise<boolean> =>
        (
          await admin(system, 'POST', '/access/v1/evaluation', {
            subject: { type: 'access_token', id: token },
            action: { name: action },
            resource: { type: 'staging', id },
          })
        ).body.decision;

      it('limit the token to what they name', async () => {
        const fields = { ...details([['Function:Deploy'], ['staging:web']]), audience: 'https://a.test' };
        const answer = await exchange(system, await sign(), fields);
        expect(issued(answer).authorization_details).toEqual([
          { type: 'countersign_permission', actions: ['Function:Deploy'], resources: ['staging:web'] },
        ]);
        const token = answer.body.access_token;
        expect(await decide(token, 'Function:Deploy', 'web')).toBe(true);
        expect(await decide(token, 'Function:Deploy', 'other')).toBe(false);
        expect(await decide(token, 'Function:Read', 'web')).toBe(false);
      });

      it.each([
        ['more than the policies grant', details([['Function:Delete'], ['staging:web']])],
        ['one pair of many', details([['Function:Read', 'Function:Delete'], ['staging:web']])],
        ['a wildcard where a policy denies', details([['Function:*'], ['staging:*']])],
        ['another type', { authorization_details: '[{"type":"payment"}]' }],
        ['no JSON', { authorization_details: '[{' }],
      ])('that ask for %s are refused', async (_, fields) => {
        const answer = await exchange(system, await sign(), fields);
        expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_authorization_details' } });
      });
    });

    describe('actors (RFC 8693 §1.1)', () => {
      const withActor = async (may_act: unknown, actor: Promise<string>) =>
        exchange(system, await sign({ may_act }), { actor_token: await actor, actor_token_type: JWT });

      it('are named in act when the subject lets them act', async () => {
        const claims = issued(await withActor({ iss: bots.iss, sub: 'deploy-bot' }, bot()));
        expect(claims).toMatchObject({
          sub: 'github:repo:acme/web:ref:refs/heads/main',
          act: { sub: 'bots:deploy-bot' },
        });
      });

      it.each<[string, () => unknown]>([
        ['there is no may_act', () => undefined],
        ['it names another', () => ({ iss: bots.iss, sub: 'other-bot' })],
        ['it names the same sub of another issuer', () => ({ iss: issuer.iss, sub: 'deploy-bot' })],
        ['it names no issuer, so that of the subject is meant', () => ({ sub: 'deploy-bot' })],
      ])('are refused when %s', async (_, mayAct) => {
        expect(refused(await withActor(mayAct(), bot()))).toEqual({
          status: 400,
          error: 'invalid_request',
          text: 'not authorized',
        });
      });

      it('are used up like subjects are', async () => {
        const actor = bot();
        expect((await withActor({ iss: bots.iss, sub: 'deploy-bot' }, actor)).status).toBe(200);
        expect(refused(await withActor({ iss: bots.iss, sub: 'deploy-bot' }, actor)).text).toBe('token already used');
      });

      it.each<[string, () => string | Promise<string>, string]>([
        ['no token', () => 'x.y.z', 'malformed token'],
        [
          'signed by another key',
          async () => bots.sign(botClaims(), { key: await generateIssuerKey('RS256', bots.keys[0]?.kid) }),
          'token not valid',
        ],
        ['past its end', () => bots.sign(botClaims({ iat: now() - 900, exp: now() - 600 })), 'token not valid'],
        [
          'for another audience',
          () => bots.sign(botClaims({ aud: 'https://elsewhere.test' })),
          'audience not accepted',
        ],
        [
          'of an issuer that nobody trusts',
          () => bots.sign(botClaims({ iss: 'https://evil.test' })),
          'untrusted issuer',
        ],
        ['one of ours', async () => (await exchange(system, await sign())).body.access_token, 'untrusted issuer'],
      ])(
        'make the exchange fail when their token is %s; the subject’s stays unused (STS-09)',
        async (_, actor, text) => {
          const token = await sign({ may_act: { iss: bots.iss, sub: 'deploy-bot' } });
          const answer = await exchange(system, token, { actor_token: await actor(), actor_token_type: JWT });
          expect(refused(answer)).toEqual({ status: 400, error: 'invalid_request', text });
          const events = await eventsOf(system, answer.body.trace_id);
          expect(events.map(({ data }) => [data['outcome'], data['class']])).toEqual([['denied', text]]);
          expect((await exchange(system, token)).status).toBe(200);
        },
      );

      /** `act` in `act`, so often. */
      const actors = (depth: number): object => ({ sub: 'root', ...(depth > 1 && { act: actors(depth - 1) }) });

      it.each([1, 4])('never come out of the subject token itself: %i in it (STS-11)', async (depth) => {
        const act = actors(depth);
        expect(issued(await exchange(system, await sign({ act })))).not.toHaveProperty('act');
        const fields = { actor_token: await bot(), actor_token_type: JWT };
        const token = await sign({ act, may_act: { iss: bots.iss, sub: 'deploy-bot' } });
        expect(issued(await exchange(system, token, fields)).act).toEqual({ sub: 'bots:deploy-bot' });
      });

      it('fifty in a subject token are too many to be read (STS-11)', async () => {
        expect(refused(await exchange(system, await sign({ act: actors(50) })))).toMatchObject({
          status: 400,
          text: 'malformed token',
        });
      });
    });

    describe('one of our own tokens', () => {
      const ours = async (fields: Record<string, string> = {}): Promise<string> =>
        (await exchange(system, await sign(), fields)).body.access_token;
      const narrow = (token: string, fields: Record<string, string> = {}): Promise<Answer> =>
        exchange(system, token, { subject_token_type: ACCESS_TOKEN, ...fields });

      it.each([ACCESS_TOKEN, JWT])(
        'as %s is narrowed by its holder, more than once, and never prolonged',
        async (type) => {
          const parent = await ours();
          const before = claimsOf(parent);
          const asType = { subject_token_type: type };
          const children = [
            issued(await narrow(parent, { ...asType, scope: 'policy:read' })),
            issued(await narrow(parent, asType)),
          ];
          for (const child of children) {
            expect(child).toMatchObject({ sub: before.sub, exp: before.exp, fed: before.fed, parents: [before.jti] });
            expect(child.jti).not.toBe(before.jti);
          }
          expect(children[0]?.policy).toEqual(['never', 'read']);
          expect(children[1]?.policy).toEqual(before.policy);
        },
      );

      it('can be narrowed twice, not three times, and not be refreshed (STS-06)', async () => {
        const parent = await ours();
        const child = (await narrow(parent)).body.access_token as string;
        const { body } = await narrow(child);
        const grandchild = body.access_token as string;
        expect(claimsOf(grandchild).parents).toHaveLength(2);
        expect(claimsOf(grandchild).exp).toBe(claimsOf(parent).exp);
        expect(body).not.toHaveProperty('refresh_token');
        expect(refused(await narrow(grandchild))).toMatchObject({ status: 400, text: 'not authorized' });
      });

      it.each([
        [{ audience: 'https://a.test' }, 'invalid_target'],
        [{ scope: 'role:readers' }, 'invalid_scope'],
        [{ actor_token: 'x.y.z', actor_token_type: JWT }, 'invalid_request'],
      ])('is not widened by %j', async (fields, error) => {
        expect(await narrow(await ours(), fields)).toMatchObject({ status: 400, body: { error } });
      });

      it('is refused when it was altered, and the attempt is recorded under its subject', async () => {
        const token = await ours();
        expect((await narrow(`${token.slice(0, -4)}AAAA`)).body.error_description).toBe('token not valid');
        const answer = await narrow(token, { scope: 'role:none' });
        const [event] = await eventsOf(system, answer.body.trace_id);
        expect(event).toMatchObject({
          subject: 'github:repo:acme/web:ref:refs/heads/main',
          data: { reason: 'scope_not_allowed' },
        });
      });
    });
  });
}
