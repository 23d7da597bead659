/// <reference types="jest" />
import {
  generateIssuerKey,
  startLocalIssuer,
  type IssuerFailure,
  type LocalIssuer,
  type Stack,
} from '@countersign/testing';
import { exportJWK, generateKeyPair } from 'jose';
import { admin, type Answer } from '../support/client';
import { jwtIssuer, policy, role, type Spec } from '../support/documents';

interface Finding {
  rule: string;
  path: string;
  message: string;
  fix: string;
}

const ENTRA = 'https://login.microsoftonline.com';

/** Cases for a stack that nobody stops; `given` is it, once it runs. */
export function registrationCases(given: () => Stack): void {
  describe('registering an issuer', () => {
    let stack: Stack;
    let issuer: LocalIssuer;
    let weak: { kid: string };

    const post = (documents: object | object[], query = ''): Promise<Answer> =>
      admin(stack, 'POST', `/v1/apply${query}`, documents);
    const stored = async (): Promise<unknown[]> =>
      (await admin(stack, 'GET', '/v1/resources?kind=JwtIssuer')).body.items;
    const findingsOf = ({ body }: Answer): Finding[] => body.findings as Finding[];
    const placesOf = ({ status, body }: Answer): string[] =>
      status === 422
        ? (body.errors as { code: string; path: string }[]).map(({ code, path }) => `${code} ${path}`)
        : [];

    beforeAll(async () => {
      stack = given();
      issuer = await startLocalIssuer({ algorithms: ['ES256'] });
      const { publicKey } = await generateKeyPair('RS256', { modulusLength: 2048 });
      const short = { ...(await exportJWK(publicKey)), n: 'wJlbsrCnX8h3Rg', kid: 'w1', alg: 'RS256', use: 'sig' };
      weak = short;
    });

    afterAll(() => issuer?.stop());

    afterEach(() => issuer?.fail(null));

    const failing: {
      says: string;
      failure: IssuerFailure;
      path: 'discovery' | 'jwks';
      rule: string;
      message: RegExp;
    }[] = [
      {
        says: 'an issuer that fails',
        failure: { status: 500 },
        path: 'discovery',
        rule: 'unreachable',
        message: /answered 500/,
      },
      {
        says: 'keys that cannot be had',
        failure: { status: 404 },
        path: 'jwks',
        rule: 'unreachable',
        message: /jwks answered 404/,
      },
      { says: 'a connection that breaks', failure: 'cut', path: 'jwks', rule: 'unreachable', message: /cannot fetch/ },
      {
        says: 'JWK-05 a redirect',
        failure: { redirect: 'http://169.254.169.254/' },
        path: 'discovery',
        rule: '',
        message: /redirect/,
      },
      {
        says: 'JWK-04 a document of another issuer',
        failure: { body: { issuer: 'https://other.test' } },
        path: 'discovery',
        rule: 'invalid',
        message: /names another issuer/,
      },
      { says: 'JWK-14 no JSON', failure: 'not-json', path: 'jwks', rule: 'invalid', message: /not a JSON object/ },
      { says: 'JWK-14 no keys', failure: 'empty', path: 'jwks', rule: 'invalid', message: /no usable key/ },
      { says: 'JWK-11 a body without end', failure: 'huge', path: 'jwks', rule: '', message: /too_large/ },
    ];

    it.each(failing)('tells of $says, and with check=require refuses it', async ({ failure, path, rule, message }) => {
      issuer.fail(failure, path);
      const document = jwtIssuer('ci', issuer.iss);
      const dry = await post(document, '?dryRun=true');
      expect(dry).toMatchObject({ status: 200, body: { dryRun: true, results: [{ action: 'created' }] } });
      const [finding, ...others] = findingsOf(dry);
      expect(others).toEqual([]);
      expect(finding).toMatchObject({
        rule: expect.stringContaining(`issuer_${rule}`),
        severity: 'warning',
        path: '/spec/iss',
      });
      expect(finding?.message).toMatch(message);
      expect(finding?.fix.length).toBeGreaterThan(40);
      for (const query of ['?check=require', '?check=require&dryRun=true']) {
        const refused = await post([policy('p', ['A:B'], ['*']), document], query);
        expect(refused).toMatchObject({
          status: 422,
          body: { errors: [{ document: 1, name: 'ci', path: '/spec/iss' }] },
        });
        expect((refused.body.errors as Finding[])[0]?.message).toBe(`${finding?.message}. ${finding?.fix}`);
      }
      expect(await stored()).toEqual([]);
    });

    it('tells of an address where nobody listens, at the field that names it', async () => {
      const nobody = 'http://127.0.0.1:1';
      const answers = await Promise.all([
        post(jwtIssuer('ci', nobody), '?dryRun=true'),
        post(jwtIssuer('ci', 'https://ci.test', { issInternal: nobody }), '?dryRun=true'),
        post(jwtIssuer('ci', 'https://ci.test', { jwksUri: `${nobody}/jwks` }), '?dryRun=true'),
      ]);
      expect(answers.flatMap(findingsOf).map(({ rule, path }) => `${rule} ${path}`)).toEqual([
        'issuer_unreachable /spec/iss',
        'issuer_unreachable /spec/issInternal',
        'issuer_unreachable /spec/jwksUri',
      ]);
    });

    it('tells of single keys that are rejected, with their reasons, and accepts the rest', async () => {
      const other = await generateIssuerKey('ES256');
      const dup = { ...other.publicJwk, kid: issuer.keys[0]?.kid };
      const good = await generateIssuerKey('ES256', 'good');
      const jwks = { keys: [...issuer.jwks().keys, dup, good.publicJwk, weak] };
      issuer.fail({ body: jwks }, 'jwks');
      const remote = await post(jwtIssuer('ci', issuer.iss), '?dryRun=true&check=require');
      const inline = await post(jwtIssuer('ci', issuer.iss, { jwks }), '?dryRun=true&check=require');
      expect([remote.status, inline.status]).toEqual([200, 200]);
      for (const [answer, path] of [
        [remote, '/spec/iss'],
        [inline, '/spec/jwks'],
      ] as const) {
        const [finding, ...others] = findingsOf(answer);
        expect(others).toEqual([]);
        expect(finding).toMatchObject({ rule: 'issuer_keys_rejected', path });
        expect(finding?.message).toContain('w1 key_size');
        expect(finding?.message).toContain(`${issuer.keys[0]?.kid} kid_ambiguous`);
      }
    });

    it.each<[string, Spec, string]>([
      [
        'keys that are for none of its algorithms',
        { algorithms: ['RS256', 'PS256'] },
        'issuer_keys_unfit /spec/algorithms',
      ],
      ['keys without kid', { jwks: 'without kid' }, 'issuer_keys_without_kid /spec/allowMissingKid'],
    ])('tells of %s, under which no token would be accepted', async (_, spec, place) => {
      const [key] = issuer.jwks().keys;
      const given = spec['jwks'] === undefined ? spec : { jwks: { keys: [{ ...key, kid: undefined }] } };
      const document = jwtIssuer('ci', issuer.iss, given);
      const answer = await post(document, '?dryRun=true');
      expect(findingsOf(answer).map(({ rule, path }) => `${rule} ${path}`)).toEqual([place]);
      expect(placesOf(await post(document, '?check=require'))).toEqual([place]);
    });

    it.each<[string, Spec, string[]]>([
      ['http to anybody', { iss: 'http://issuer.example' }, ['url_refused /spec/iss']],
      ['JWK-06 http for keys', { jwksUri: 'http://keys.example/jwks' }, ['url_refused /spec/jwksUri']],
      ['JWK-06 a private address', { issInternal: 'https://10.0.0.1' }, ['url_refused /spec/issInternal']],
      ['JWK-09 a cloud metadata address', { jwksUri: 'https://169.254.169.254/' }, ['url_refused /spec/jwksUri']],
      ['JWK-09 the same in another spelling', { jwksUri: 'https://2852039166/' }, ['url_refused /spec/jwksUri']],
      ['JWK-10 a mapped address', { jwksUri: 'https://[::ffff:10.0.0.1]/' }, ['url_refused /spec/jwksUri']],
      ['JWK-06 a file', { jwksUri: 'file:///etc/passwd' }, ['invalid_url /spec/jwksUri']],
      ['JWK-06 data', { jwksUri: 'data:application/json,{}' }, ['invalid_url /spec/jwksUri']],
      ['CNF-06 no audience', { aud: undefined }, ['required /spec/aud']],
      ['CNF-06 an empty list', { aud: [] }, ['empty_list /spec/aud']],
      ['CNF-06 an empty audience', { aud: [''] }, ['invalid_audience /spec/aud/0']],
      ['CNF-06 any audience', { aud: ['*'] }, ['invalid_audience /spec/aud/0']],
      ['CNF-14 common', { iss: `${ENTRA}/common/v2.0` }, ['multi_tenant_issuer /spec/iss']],
      ['CNF-14 organizations', { iss: `${ENTRA}/organizations/v2.0` }, ['multi_tenant_issuer /spec/iss']],
      ['CNF-14 the template', { iss: `${ENTRA}/{tenantid}/v2.0` }, ['multi_tenant_issuer /spec/iss']],
      ['a domain for the tenant', { iss: `${ENTRA}/contoso.com/v2.0` }, ['tenant_missing /spec/iss']],
      ['PEM that is no certificate', { caCertificate: pem('AAAA') }, ['invalid_pem /spec/caCertificate']],
      [
        'a set without a usable key',
        { jwks: { keys: [{ kty: 'RSA', n: 'AQ', e: 'AQAB' }] } },
        ['no_usable_key /spec/jwks'],
      ],
      ['a private key', { jwks: { keys: [{ kty: 'OKP', d: 'x' }] } }, ['private_key /spec/jwks/keys/0/d']],
    ])('refuses %s, whatever is asked to be checked', async (_, spec, places) => {
      const document = jwtIssuer('ci', 'https://ci.test', spec);
      expect(placesOf(await post(document))).toEqual(places);
      expect(placesOf(await post(document, '?dryRun=true'))).toEqual(places);
      expect(placesOf(await admin(stack, 'PUT', '/v1/resources/JwtIssuer/ci', document))).toEqual(places);
      expect(await stored()).toEqual([]);
    });

    it.each(['', '/', 'upper'])('CNF-19 refuses our own issuer URL%s', async (spelling) => {
      const iss = spelling === 'upper' ? stack.url.toUpperCase() : stack.url + spelling;
      expect(placesOf(await post(jwtIssuer('us', iss)))).toEqual(['own_issuer /spec/iss']);
    });

    it.each([
      'sts.amazonaws.com',
      'https://kubernetes.default.svc',
      'https://kubernetes.default.svc.cluster.local',
      'api://AzureADTokenExchange',
      'sigstore',
      'account',
      'https://github.com/acme',
      'https://gitlab.com',
      '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
    ])('CNF-06 warns of the audience %s, which is made for others', async (audience) => {
      const generic = (aud: unknown) => post(jwtIssuer('ci', issuer.iss, { aud }), '?dryRun=true&check=require');
      const listed = await generic(['https://sts.test', audience]);
      const single = await generic(audience);
      expect([listed, single].flatMap(findingsOf).map(({ rule, path }) => `${rule} ${path}`)).toEqual([
        'generic_audience /spec/aud/1',
        'generic_audience /spec/aud',
      ]);
    });

    it('warns of an audience that is the iss, of a platform that is another, of sources that are not used', async () => {
      const jwks = issuer.jwks();
      const iss = 'https://token.actions.githubusercontent.com';
      const spec = { aud: [iss], platform: 'generic', jwks, jwksUri: 'https://keys.test/jwks' };
      const answer = await post(jwtIssuer('gh', iss, spec), '?dryRun=true');
      expect(findingsOf(answer).map(({ rule, path }) => `${rule} ${path}`)).toEqual([
        'generic_audience /spec/aud/0',
        'platform_mismatch /spec/platform',
        'unused_field /spec/jwksUri',
      ]);
    });

    it('pins: refuses a Role that leaves a pinned claim open, and a pin that stored Roles do not keep', async () => {
      const pinned = jwtIssuer('ci', issuer.iss, { pins: ['project_id'] });
      const free = jwtIssuer('ci', issuer.iss);
      const roleWith = (condition: object) =>
        role('r', { policy: 'p', condition: { StringLike: { 'jwt:sub': ['job:*'] }, ...condition } });
      const iss = { 'jwt:iss': [issuer.iss] };
      const open = roleWith({ StringEqual: iss });
      const bound = roleWith({ StringEqual: { ...iss, 'jwt:project_id': ['7'] } });
      const p = policy('p', ['A:B'], ['*']);
      expect(placesOf(await post([p, pinned, open]))).toEqual(['pin_missing /spec/condition']);
      expect((await post([p, pinned, bound])).status).toBe(200);
      expect(placesOf(await admin(stack, 'PUT', '/v1/resources/Role/r', open))).toEqual([
        'pin_missing /spec/condition',
      ]);
      expect((await post([free, open])).status).toBe(200);
      const late = await post(pinned);
      expect(late).toMatchObject({ status: 409, body: { detail: expect.stringContaining('Role/r /spec/condition') } });
    });
  });
}

function pem(body: string): string {
  return `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;
}
