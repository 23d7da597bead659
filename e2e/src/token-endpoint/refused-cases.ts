/// <reference types="jest" />
import { generateIssuerKey, startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { apply, exchange, requestToken, type Answer } from '../support/client';
import { acmeWeb, githubClaims, role } from '../support/documents';
import type { EmbeddedSystem } from '../support/embedded';

const BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const now = (): number => Math.floor(Date.now() / 1000);

/** Cases for an embedded system that nobody stops; `given` is it, once it runs. */
export function refusedCases(given: () => EmbeddedSystem): void {
  describe('400 of the token endpoint', () => {
    let system: EmbeddedSystem;
    let issuer: LocalIssuer;

    const sign = (changes: Record<string, unknown> = {}): Promise<string> =>
      issuer.sign(githubClaims(issuer.iss, changes));

    /** Everything that a caller can see, but for the trace id, whose form alone is fixed. */
    function seen({ status, headers, body }: Answer): unknown {
      expect(body.trace_id).toMatch(/^[0-9a-f]{32}$/);
      expect(headers.get('content-type')).toMatch(/^application\/json/);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('access-control-allow-origin')).toBeNull();
      return { status, body: { ...body, trace_id: '' } };
    }

    const refusal = (error: string, error_description: unknown) => ({
      status: 400,
      body: { error, error_description, trace_id: '' },
    });

    beforeAll(async () => {
      system = given();
      issuer = await startLocalIssuer();
      await apply(system, [
        ...acmeWeb(issuer.iss, { spec: { platform: 'github' }, resource: ['staging:*'] }),
        role('others', {
          policy: ['deploy'],
          condition: { StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository_id': ['9'] } },
        }),
      ]);
    });

    afterAll(() => issuer?.stop());

    /** Every cause of a class: from outside they are all the same. */
    const causes: Record<string, Record<string, () => Promise<string> | string>> = {
      'malformed token': {
        'no token at all': () => 'x',
        'half a token': async () => (await sign()).slice(0, 200),
        'a header that is no JSON': async () => `eyJ.${(await sign()).split('.').slice(1).join('.')}`,
        'too large': () => 'a'.repeat(20_000),
      },
      'untrusted issuer': {
        'nobody knows it': () => issuer.sign(githubClaims('https://evil.test')),
        'it is almost ours': () => issuer.sign(githubClaims(`${issuer.iss}/`)),
      },
      'token not valid': {
        'the signature is of another key': async () =>
          issuer.sign(githubClaims(issuer.iss), { key: await generateIssuerKey('RS256', issuer.keys[0]?.kid) }),
        'the kid is unknown': () => issuer.sign(githubClaims(issuer.iss), { kid: 'unknown' }),
        'it is past its end': () => sign({ nbf: now() - 900, iat: now() - 900, exp: now() - 600 }),
        'it is not valid yet': () => sign({ nbf: now() + 600 }),
        'sub is a number': () => sign({ sub: 1 }),
        'another kind of token': () => issuer.sign(githubClaims(issuer.iss), { header: { typ: 'logout+jwt' } }),
      },
      'audience not accepted': {
        'it is for another': () => sign({ aud: 'sts.amazonaws.com' }),
        'it is for nobody': () => sign({ aud: [] }),
      },
      'not authorized': {
        'no role matches': () => sign({ repository_id: '2' }),
        'the event is guarded': async () => sign({ event_name: 'pull_request_target' }),
      },
    };

    describe.each(Object.entries(causes))('%s', (text, ways) => {
      it.each(Object.entries(ways))(
        'is all that a caller learns when %s, with the code of each grant',
        async (_, make) => {
          expect(seen(await exchange(system, await make()))).toEqual(refusal('invalid_request', text));
          const asAssertion = { grant_type: BEARER, assertion: await make() };
          expect(seen(await requestToken(system, asAssertion))).toEqual(refusal('invalid_grant', text));
          const asClient = {
            grant_type: 'client_credentials',
            client_assertion_type: ASSERTION,
            client_assertion: await make(),
          };
          expect(seen(await requestToken(system, asClient))).toEqual(refusal('invalid_client', text));
        },
      );
    });

    it.each([
      [
        'an audience that no role allows',
        { audience: 'https://c.test' },
        refusal('invalid_target', 'target not allowed'),
      ],
      [
        'a resource with a fragment',
        { resource: 'https://a.test/#x' },
        refusal('invalid_target', 'target not allowed'),
      ],
      ['a role that does not exist', { scope: 'role:none' }, refusal('invalid_scope', 'not authorized')],
      ['a role of somebody else', { scope: 'role:others' }, refusal('invalid_scope', 'not authorized')],
      ['a policy that does not exist', { scope: 'policy:none' }, refusal('invalid_scope', 'not authorized')],
      [
        'more than is granted',
        { authorization_details: '[{"type":"countersign_permission","actions":["X:Y"],"resources":["a:b"]}]' },
        refusal('invalid_authorization_details', 'not authorized'),
      ],
    ])('%s', async (_, fields, expected) => {
      expect(seen(await exchange(system, await sign(), fields))).toEqual(expected);
    });

    it.each<[string, Record<string, string>, unknown]>([
      ['no parameter', {}, refusal('invalid_request', 'grant_type is required')],
      [
        'an unknown grant',
        { grant_type: 'password' },
        refusal('unsupported_grant_type', 'this grant_type is not supported'),
      ],
      ['no token', { grant_type: EXCHANGE }, refusal('invalid_request', 'subject_token is required')],
      ['no assertion', { grant_type: BEARER }, refusal('invalid_request', 'assertion is required')],
      [
        'no client assertion',
        { grant_type: 'client_credentials' },
        refusal('invalid_request', 'client_assertion is required'),
      ],
      [
        'an actor without its type',
        {
          grant_type: EXCHANGE,
          subject_token: 'x',
          subject_token_type: JWT,
          actor_token: 'x',
        },
        refusal('invalid_request', 'actor_token_type is required'),
      ],
      [
        'the type of an actor without its token',
        { grant_type: EXCHANGE, subject_token: 'x', subject_token_type: JWT, actor_token_type: JWT },
        refusal('invalid_request', 'actor_token is required'),
      ],
    ])('a request with %s is told what is wrong with it', async (_, fields, expected) => {
      expect(seen(await requestToken(system, fields))).toEqual(expected);
    });

    it.each<[string, [string, string][]]>([
      ['subject_token twice', [['subject_token', 'x']]],
      ['subject_token[]', [['subject_token[]', 'x']]],
      ['subject_token[a]', [['subject_token[a]', 'x']]],
      ['subject_token_type twice', [['subject_token_type', JWT]]],
      ['grant_type twice', [['grant_type', BEARER]]],
      ['scope twice', [1, 2].map(() => ['scope', 'role:deployers'])],
      ['1,001 parameters', Array.from({ length: 998 }, (_, index) => [`p${index}`, ''])],
    ])('a request with %s is refused as a whole, and its token stays unused (STS-14)', async (_, more) => {
      const token = await sign();
      const form = new URLSearchParams([
        ['grant_type', EXCHANGE],
        ['subject_token', token],
        ['subject_token_type', JWT],
        ...more,
      ]);
      expect(seen(await requestToken(system, form))).toEqual(refusal('invalid_request', expect.any(String)));
      expect((await exchange(system, token)).status).toBe(200);
    });

    it('a request in JSON is refused, whatever is in it (STS-14)', async () => {
      const [token, headers] = [await sign(), { 'content-type': 'application/json' }];
      const body = JSON.stringify({ grant_type: EXCHANGE, subject_token: [token, 'x'], subject_token_type: JWT });
      const answer = await fetch(`${system.url}/oauth2/token`, { method: 'POST', headers, body });
      const { error } = (await answer.json()) as { error: string };
      expect({ status: answer.status, error }).toEqual({ status: 400, error: 'invalid_request' });
      expect((await exchange(system, token)).status).toBe(200);
    });

    it.each([
      ['two in one', 'role:deployers,others'],
      ['a path', 'role:../deployers'],
      ['a NUL', 'role:deployers\u0000'],
      ['two lines', 'role:deployers\nrole:others'],
      ['another case', 'role:Deployers'],
      ['a list', '["role:deployers"]'],
      ['a wildcard', 'role:*'],
      ['10,000 of them', Array.from({ length: 10_000 }, (_, index) => `role:r${index}`).join(' ')],
    ])('a role that is %s is none (STS-29)', async (_, scope) => {
      expect(seen(await exchange(system, await sign(), { scope }))).toEqual(refusal('invalid_scope', 'not authorized'));
    });

    it.each(['https://evil.test', 'null'])('a page of %s may read nothing of it (STS-23)', async (origin) => {
      const asked = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'dpop' };
      const answers = [
        await exchange(system, await sign(), {}, { origin }),
        await exchange(system, 'nonsense', {}, { origin }),
        await fetch(`${system.url}/oauth2/token`, { method: 'OPTIONS', headers: asked }),
      ];
      expect(answers.slice(0, 2).map(({ status }) => status)).toEqual([200, 400]);
      for (const { headers } of answers)
        expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
    });

    it('a token in the query string is refused and does not come back', async () => {
      const response = await fetch(`${system.url}/oauth2/token?subject_token=s3cret`, {
        method: 'POST',
        body: new URLSearchParams(),
      });
      const text = await response.text();
      expect(response.status).toBe(400);
      expect(text).not.toContain('s3cret');
      expect(system.output()).not.toContain('s3cret');
    });

    it('a token that was used says so, and is the same for every later use', async () => {
      const token = await sign();
      expect((await exchange(system, token)).status).toBe(200);
      for (const fields of [{}, { scope: 'role:deployers' }, { audience: system.url }]) {
        expect(seen(await exchange(system, token, fields))).toEqual(refusal('invalid_request', 'token already used'));
      }
    });
  });
}
