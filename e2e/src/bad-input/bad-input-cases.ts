/// <reference types="jest" />
import { generateIssuerKey, startLocalIssuer, type LocalIssuer, type Stack } from '@countersign/testing';
import { admin, apply, eventsOf, exchange, type Answer } from '../support/client';
import { acmeWeb, githubClaims, jwtIssuer } from '../support/documents';

const keyless = 'https://keycloak.example.invalid/realms/openfaas';
const now = (): number => Math.floor(Date.now() / 1000);

/** Cases for a stack that nobody stops; `given` is it, once it runs. */
export function badInputCases(given: () => Stack): void {
  describe('bad input, in the distributed mode', () => {
    let stack: Stack;
    let issuer: LocalIssuer;

    const revision = async (): Promise<number> => (await admin(stack, 'GET', '/v1/revisions')).body.items[0].revision;

    beforeAll(async () => {
      stack = given();
      issuer = await startLocalIssuer();
      await apply(stack, acmeWeb(issuer.iss));
    });

    afterAll(() => issuer?.stop());

    describe('documents', () => {
      const good = 'apiVersion: countersign.dev/v1\nkind: Policy\nmetadata: {name: extra}\nspec:\n  statement:\n';
      const statement = '  - {sid: s, effect: Allow, action: [A:B], resource: ["*"]}\n';

      it.each<[string, string, number, string | undefined]>([
        ['malformed YAML', 'kind: [', 400, undefined],
        ['a duplicate key', 'kind: Policy\nkind: Role\n', 400, undefined],
        [
          'an unknown kind',
          'apiVersion: countersign.dev/v1\nkind: Rolle\nmetadata: {name: x}\nspec: {}\n',
          422,
          '/kind',
        ],
        ['an unknown field', `${good}${statement}  polcy: []\n`, 422, '/spec/polcy'],
        [
          'a wrong effect',
          `${good}  - {sid: s, effect: allow, action: [A:B], resource: ["*"]}\n`,
          422,
          '/spec/statement/0/effect',
        ],
        [
          'a wrong type',
          `${good}  - {sid: s, effect: Allow, action: {}, resource: ["*"]}\n`,
          422,
          '/spec/statement/0/action',
        ],
        ['the same document twice', `${good}${statement}---\n${good}${statement}`, 422, undefined],
        ['a list at the top that holds a number', '- 1\n', 422, undefined],
      ])('with %s are refused whole', async (_, yaml, status, path) => {
        const before = await revision();
        const answer = await admin(stack, 'POST', '/v1/apply', yaml);
        expect(answer.status).toBe(status);
        expect(answer.headers.get('content-type')).toContain('application/problem+json');
        expect(answer.body).toMatchObject({ status, traceId: expect.stringMatching(/^[0-9a-f]{32}$/) });
        if (path !== undefined) expect(answer.body.errors.map((error: { path: string }) => error.path)).toContain(path);
        expect(await revision()).toBe(before);
        expect((await admin(stack, 'GET', '/v1/resources/Policy/extra')).status).toBe(404);
      });

      it.each([
        ['a repeated member', '[{"kind":"Policy","kind":"Role"}]'],
        ['a member that every object has', '[{"__proto__":{"kind":"Role"}}]'],
        ['a lone surrogate', '[{"kind":"\\ud800"}]'],
        ['deep nesting', '['.repeat(100_000)],
        ['something behind it', '[] []'],
      ])('in JSON with %s are refused with 400', async (_, text) => {
        const headers = { authorization: `Bearer ${stack.adminToken}`, 'content-type': 'application/json' };
        const answer = await fetch(`${stack.url}/v1/apply`, { method: 'POST', headers, body: text });
        expect({ status: answer.status, type: answer.headers.get('content-type') }).toEqual({
          status: 400,
          type: expect.stringContaining('application/problem+json'),
        });
      });

      it('larger than a megabyte are refused with 413', async () => {
        expect((await admin(stack, 'POST', '/v1/apply', `# ${'x'.repeat(1_100_000)}`)).status).toBe(413);
      });

      it('of another media type are refused with 415', async () => {
        const headers = { authorization: `Bearer ${stack.adminToken}`, 'content-type': 'application/xml' };
        expect((await fetch(`${stack.url}/v1/apply`, { method: 'POST', headers, body: '<x/>' })).status).toBe(415);
      });

      it('that name an issuer nobody can reach are applied, with a finding', async () => {
        const { body } = await apply(stack, [jwtIssuer('keycloak', keyless)]);
        expect(body.findings).toEqual([
          expect.objectContaining({ severity: 'warning', resource: { kind: 'JwtIssuer', name: 'keycloak' } }),
        ]);
        expect((await admin(stack, 'DELETE', '/v1/resources/JwtIssuer/keycloak')).status).toBe(204);
      });

      it('from nobody, or from somebody with a wrong token, are refused with 401', async () => {
        const anonymous = await fetch(`${stack.url}/v1/apply`, {
          method: 'POST',
          body: '[]',
          headers: { 'content-type': 'application/json' },
        });
        expect({ status: anonymous.status, challenge: anonymous.headers.get('www-authenticate') }).toEqual({
          status: 401,
          challenge: 'Bearer',
        });
        const wrong = await admin({ ...stack, adminToken: 'x'.repeat(64) }, 'POST', '/v1/apply', []);
        expect({ status: wrong.status, challenge: wrong.headers.get('www-authenticate') }).toEqual({
          status: 401,
          challenge: 'Bearer error="invalid_token"',
        });
      });
    });

    describe('subject tokens', () => {
      const cases: Record<string, { make: () => Promise<string>; text: string; reason: string }> = {
        'of an unknown issuer': {
          make: () => issuer.sign(githubClaims(`${issuer.iss}.evil.test`)),
          text: 'untrusted issuer',
          reason: 'issuer_unknown',
        },
        'signed by another key under a known kid': {
          make: async () => {
            const stranger = await generateIssuerKey('RS256', issuer.keys[0]?.kid);
            return issuer.sign(githubClaims(issuer.iss), { key: stranger });
          },
          text: 'token not valid',
          reason: 'verify',
        },
        'for another audience': {
          make: () => issuer.sign(githubClaims(issuer.iss, { aud: 'sts.amazonaws.com' })),
          text: 'audience not accepted',
          reason: 'aud',
        },
        'past their end': {
          make: () => issuer.sign(githubClaims(issuer.iss, { nbf: now() - 900, iat: now() - 900, exp: now() - 600 })),
          text: 'token not valid',
          reason: 'expired',
        },
        'that are no tokens': { make: async () => 'not-a-token', text: 'malformed token', reason: 'token_form' },
        'of an identity without a role': {
          make: () => issuer.sign(githubClaims(issuer.iss, { repository_id: '1002' })),
          text: 'not authorized',
          reason: 'no_matching_role',
        },
      };

      it.each(Object.entries(cases))(
        '%s are refused with their class alone, and recorded with the reason',
        async (_, one) => {
          const token = await one.make();
          const { status, headers, body } = await exchange(stack, token);
          expect({ status, body: { ...body, trace_id: '' } }).toEqual({
            status: 400,
            body: { error: 'invalid_request', error_description: one.text, trace_id: '' },
          });
          expect(headers.get('cache-control')).toBe('no-store');
          const events = await eventsOf(stack, body.trace_id);
          expect(events.map(({ data }) => [data.outcome, data.class, data.reason])).toEqual([
            ['denied', one.text, one.reason],
          ]);
          if (token.includes('.')) expect(JSON.stringify(events)).not.toContain(token.split('.')[2]);
        },
      );

      it('asking for an audience that their role does not allow are refused with invalid_target, and are not used up', async () => {
        const token = await issuer.sign(githubClaims(issuer.iss));
        const refused = await exchange(stack, token, { audience: 'https://elsewhere.test' });
        expect(refused).toMatchObject({
          status: 400,
          body: { error: 'invalid_target', error_description: 'target not allowed' },
        });
        expect((await exchange(stack, token)).status).toBe(200);
        expect(await exchange(stack, token)).toMatchObject({
          status: 400,
          body: { error_description: 'token already used' },
        });
      });

      it('in a body that is no form are refused with invalid_request', async () => {
        const answers = await Promise.all(
          ['application/json', 'text/plain', 'application/xml'].map((type) =>
            fetch(`${stack.url}/oauth2/token`, { method: 'POST', headers: { 'content-type': type }, body: '{}' }),
          ),
        );
        for (const answer of answers) {
          expect([400, 415]).toContain(answer.status);
          expect(await answer.json()).toMatchObject({ error: 'invalid_request' });
        }
      });
    });

    it.each<[string, (target: Stack) => Promise<Answer>]>([
      ['a cursor that is none', (target) => admin(target, 'GET', '/v1/events?cursor=eyJpZCI6IjEgb3IgMT0xIn0')],
      ['a limit that is none', (target) => admin(target, 'GET', '/v1/events?limit=0')],
      [
        'a webhook to a private address',
        (target) => admin(target, 'POST', '/v1/webhooks', { url: 'https://169.254.169.254/' }),
      ],
      ['a webhook that is a list', (target) => admin(target, 'POST', '/v1/webhooks', [])],
    ])('%s is refused with 422', async (_, call) => {
      expect((await call(stack)).status).toBe(422);
    });

    it('never led to a 500, and the system still works', async () => {
      expect((await exchange(stack, await issuer.sign(githubClaims(issuer.iss)))).status).toBe(200);
    });
  });
}
