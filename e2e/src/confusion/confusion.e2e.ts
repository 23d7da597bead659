import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  eventually,
  generateIssuerKey,
  startLocalIssuer,
  type IssuerKey,
  type LocalIssuer,
} from '@countersign/testing';
import { AttackedSystem, accepted, refused } from '../support/attacked-system';
import { admin, apply, eventsOf, exchange } from '../support/client';
import { jwtIssuer, role, type Spec } from '../support/documents';
import { forge } from '../support/forge';
import { startTemporarySystem } from '../support/temporary-system';

type Reason = Parameters<typeof refused>[0];

const AUD = 'https://sts.test';
const TENANT = '9122040d-6c67-4c5b-b112-36a304b66dad';
const ENTRA = `https://login.microsoftonline.com/${TENANT}/v2.0`;
const KEYCLOAK = 'https://keycloak.example.com/realms/ci';

let system: Awaited<ReturnType<typeof startTemporarySystem>>;
let attacked: AttackedSystem;
let other: LocalIssuer;
/** The key of issuers whose documents hold their keys. */
let held: IssuerKey;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-directory-'));
  const anyAudience = jwtIssuer('from-directory', 'https://directory.test', { aud: ['*'] });
  await writeFile(join(directory, 'issuer.json'), JSON.stringify([anyAudience]));
  [system, other, held] = await Promise.all([
    startTemporarySystem({ COUNTERSIGN_RESOURCES_DIR: directory }),
    startLocalIssuer({ algorithms: ['ES256'] }),
    generateIssuerKey('ES256', 'h1'),
  ]);
  attacked = await AttackedSystem.on(system);
  // Another issuer's key under the kid of ours.
  other.keys.splice(0, 1, await generateIssuerKey('ES256', 'a2'));
  await apply(attacked.system, [
    jwtIssuer('other', other.iss, { aud: ['x', AUD] }),
    ...[ENTRA, KEYCLOAK].map((iss, index) => jwtIssuer(`held-${index}`, iss, { jwks: { keys: [held.publicJwk] } })),
    ...[ENTRA, KEYCLOAK].map((iss, index) => attacked.role(`held-${index}`, iss)),
  ]);
});

afterAll(async () => {
  await attacked?.stop();
  await system?.stop();
  await other?.stop();
  await rm(directory, { recursive: true, force: true });
});

const foreign = (claims: Record<string, unknown>, { key = held, header = {} } = {}): string =>
  forge({ alg: key.alg, kid: key.kid, ...header }, attacked.claims(claims), key);
const signedByOther = (claims: Record<string, unknown> = {}): string =>
  foreign({ iss: other.iss, ...claims }, { key: other.keys[0] as IssuerKey });

describe('a token for another audience is refused', () => {
  it.each([
    // CNF-01
    ...['sts.amazonaws.com', 'https://pypi.org', 'api://AzureADTokenExchange'],
    // CNF-03
    ...[undefined, null, '', [], [''], {}, 1, true, [[AUD]], { 0: AUD, length: 1 }, [AUD, 1], [AUD, null], [AUD, '']],
    // CNF-04
    ...[`${AUD}/`, AUD.toUpperCase(), 'https://STS.test', `${AUD}.evil.test`, `${AUD}:443`, 'https://sts%2etest'],
    ...['https://sts.tеst', ` ${AUD}`, `${AUD} `, `${AUD}\u0000`, 'https://sts', 'sts.test', '*', `${AUD},https://x`],
    ...[[`${AUD}/`], ['https://other.test']],
    // CNF-05: the other issuer accepts it, this one does not.
    'x',
  ])('%j', async (aud) => {
    expect(await attacked.present(attacked.token({ aud }))).toEqual(refused('aud'));
  });

  it('unless one of several is ours, and the issuer is not strict about the others (CNF-02)', async () => {
    const aud = [AUD, 'https://other.test'];
    expect(await attacked.present(attacked.token({ aud }))).toEqual(accepted);
    const strict = (strictAudience: boolean): object => jwtIssuer('github', attacked.issuer.iss, { strictAudience });
    await apply(attacked.system, [strict(true)]);
    expect(await attacked.present(attacked.token({ aud }))).toEqual(refused('aud'));
    expect(await attacked.present(attacked.token({ aud: [AUD] }))).toEqual(accepted);
    await apply(attacked.system, [strict(false)]);
  });
});

describe('a token of an issuer whose name only looks like that of a trusted one is refused', () => {
  it.each([
    // CNF-07
    ...[undefined, null, '', 1, {}, []].map((iss): [string, () => unknown] => [String(JSON.stringify(iss)), () => iss]),
    ...Object.entries<(iss: string) => unknown>({
      'a list with it': (iss) => ['https://evil.test', iss],
      // CNF-08, JWK-03
      'a slash behind': (iss) => `${iss}/`,
      'another path': (iss) => `${iss}/x/..`,
      'upper case': (iss) => iss.toUpperCase(),
      'another scheme': (iss) => iss.replace('http:', 'https:'),
      'no scheme': (iss) => iss.replace('http:', ''),
      'a user': (iss) => iss.replace('//', '//evil@'),
      'a dot behind the host': (iss) => iss.replace('127.0.0.1', '127.0.0.1.'),
      'another name of the host': (iss) => iss.replace('127.0.0.1', 'localhost'),
      'an escaped character': (iss) => iss.replace('127', '%3127'),
      'a space before': (iss) => ` ${iss}`,
      'a NUL behind': (iss) => `${iss}\u0000`,
      'more behind': (iss) => `${iss}.evil.test`,
      'it in a query': (iss) => `http://127.0.0.1:9/?${iss}`,
      'a query behind': (iss) => `${iss}?x`,
      'a fragment behind': (iss) => `${iss}#x`,
      'full-width digits': (iss) => iss.replace('127', '１２７'),
      'the tenant left open': () => 'https://login.microsoftonline.com/common/v2.0',
      'a template': () => 'https://login.microsoftonline.com/{tenantid}/v2.0',
    }).map(([name, change]): [string, () => unknown] => [name, () => change(attacked.issuer.iss)]),
  ])('%s', async (_, iss) => {
    const { discovery, jwks } = attacked.issuer.requests;
    expect(await attacked.present(attacked.token({ iss: iss() }))).toEqual(refused('issuer_unknown'));
    expect(attacked.issuer.requests).toEqual({ discovery, jwks });
  });
});

describe('issuers do not speak for one another', () => {
  it('a kid is looked up at the issuer that the token names', async () => {
    expect(await attacked.present(signedByOther({ iss: attacked.issuer.iss }))).toEqual(refused('verify'));
    expect(await attacked.present(attacked.token({ iss: other.iss }))).toEqual(refused('verify'));
  });

  it('the same claims from another trusted issuer match no role of this one (CNF-13)', async () => {
    expect(await attacked.present(signedByOther())).toEqual(refused('no_matching_role'));
  });

  it('an audience that one issuer accepts is not accepted from another (CNF-05)', async () => {
    expect(await attacked.present(signedByOther({ aud: 'x' }))).toEqual(refused('no_matching_role'));
    expect(await attacked.present(signedByOther({ aud: 'y' }))).toEqual(refused('aud'));
  });

  it('the same jti of two issuers is two tokens (RPL-07)', async () => {
    await apply(attacked.system, [attacked.role('others', other.iss)]);
    const jti = crypto.randomUUID();
    expect(await attacked.present(signedByOther({ jti }))).toMatchObject({ status: 200, goodTokenAfter: 200 });
    expect(await attacked.present(attacked.token({ jti: crypto.randomUUID() }))).toEqual(accepted);
    await admin(attacked.system, 'DELETE', '/v1/resources/Role/others');
  });
});

describe('a token of another kind is refused', () => {
  it.each<[unknown, Reason]>([
    ...[
      'logout+jwt',
      'secevent+jwt',
      'dpop+jwt',
      'at+jwt',
      'application/at+jwt',
      'kb+jwt',
      'vc+sd-jwt',
      'JOSE',
      '',
    ].map((typ): [unknown, Reason] => [typ, 'typ']),
    ...[1, null, ['JWT'], {}].map((typ): [unknown, Reason] => [typ, 'typ']),
  ])('typ %j (CNF-10)', async (typ, reason) => {
    expect(await attacked.present(attacked.token({}, { typ }))).toEqual(refused(reason));
  });

  it.each([
    ['a logout token', { 'http://schemas.openid.net/event/backchannel-logout': {} }],
    ['a security event', { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} }],
  ])('%s by its claims (CNF-10)', async (_, events) => {
    expect(await attacked.present(attacked.token({ events }))).toEqual(refused('logout_token'));
  });

  it('a token that is bound to a key, from a caller that proves none', async () => {
    const cnf = { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' };
    expect(await attacked.present(attacked.token({ cnf }))).toEqual(refused('cnf'));
  });

  it('at+jwt is accepted where the issuer names it, and nothing else then', async () => {
    const typed = (typ: string[]): object => jwtIssuer('github', attacked.issuer.iss, { typ });
    await apply(attacked.system, [typed(['at+jwt'])]);
    expect(await attacked.present(attacked.token({}, { typ: 'at+jwt' }))).toMatchObject({ status: 200 });
    expect(await attacked.present(attacked.token())).toMatchObject({ status: 400, goodTokenAfter: 400 });
    await apply(attacked.system, [typed(['JWT'])]);
    expect(await attacked.present(attacked.token())).toEqual(accepted);
  });

  it.each<[unknown, number]>([
    ['Refresh', 400],
    ['Offline', 400],
    ['Logout', 400],
    ['DPoP', 400],
    [['Bearer'], 400],
    [null, 400],
    ['ID', 200],
    ['Bearer', 200],
    [undefined, 200],
  ])('a Keycloak token that calls itself %j: %i (CNF-11)', async (typ, status) => {
    const outcome = await attacked.present(foreign({ iss: KEYCLOAK, typ }));
    expect(outcome.status).toBe(status);
    if (status !== 200) expect(outcome).toEqual(refused('typ'));
  });

  it.each<[unknown, number]>([
    [TENANT, 200],
    ['11111111-6c67-4c5b-b112-36a304b66dad', 400],
    [TENANT.toUpperCase(), 400],
    [[TENANT], 400],
    [undefined, 400],
  ])('an Entra token of tenant %j: %i (CNF-14)', async (tid, status) => {
    const outcome = await attacked.present(foreign({ iss: ENTRA, tid }));
    expect(outcome.status).toBe(status);
    if (status !== 200) expect(outcome).toEqual(refused('tid'));
  });

  it.each([
    ['missing', undefined],
    ['as a list', 'urn:ietf:params:oauth:token-type:jwt', 'subject_token_type[]'],
    ['empty', ''],
    ['saml2', 'urn:ietf:params:oauth:token-type:saml2'],
    ['refresh_token', 'urn:ietf:params:oauth:token-type:refresh_token'],
    ['a word', 'jwt'],
    ['in another case', 'URN:IETF:params:oauth:token-type:jwt'],
    ['with a space', 'urn:ietf:params:oauth:token-type:jwt '],
  ])(
    'subject_token_type %s is an invalid request, and the token stays unused (CNF-12)',
    async (_, type, name = 'subject_token_type') => {
      const token = attacked.token();
      const form = new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        ...(type === undefined ? {} : { [name]: type }),
      });
      const answer = await fetch(`${attacked.system.url}/oauth2/token`, { method: 'POST', body: form });
      const { trace_id: traceId, ...body } = (await answer.json()) as Record<string, string>;
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([400, 'no-store']);
      expect(body).toEqual({
        error: 'invalid_request',
        error_description: expect.stringContaining('subject_token_type'),
      });
      expect((await eventsOf(attacked.system, `${traceId}`)).map(({ data }) => data.reason)).toEqual([
        'invalid_request',
      ]);
      expect((await exchange(attacked.system, token)).status).toBe(200);
    },
  );
});

describe('a Role that names the client asks for it (CNF-17)', () => {
  beforeAll(() =>
    apply(attacked.system, [
      role('client', {
        policy: ['deploy'],
        condition: { StringEqual: { 'jwt:iss': [other.iss], 'jwt:azp': ['deployer'] } },
      }),
    ]),
  );

  afterAll(() => admin(attacked.system, 'DELETE', '/v1/resources/Role/client'));

  it.each<[unknown, boolean]>([
    ['deployer', true],
    ...['other-client', 'Deployer', 'deployer ', '', '*', ['deployer'], {}, 1, null, undefined].map(
      (azp): [unknown, boolean] => [azp, false],
    ),
  ])('azp %j: %p', async (azp, isLetIn) => {
    const outcome = await attacked.present(signedByOther({ azp }));
    if (isLetIn) expect(outcome).toMatchObject({ status: 200 });
    else expect(outcome).toEqual(refused('no_matching_role'));
  });

  it('and none may leave it open where the issuer pins it', async () => {
    const pinned = (pins: string[]): object => jwtIssuer('other', other.iss, { aud: ['x', AUD], pins });
    const open = attacked.role('open', other.iss);
    const { status, body } = await admin(attacked.system, 'POST', '/v1/apply', [pinned(['azp']), open]);
    expect({ status, errors: body.errors }).toMatchObject({ status: 422, errors: [{ code: 'pin_missing' }] });
  });
});

describe('an e-mail address counts when the issuer vouches for it (CNF-15)', () => {
  beforeAll(() =>
    apply(attacked.system, [
      role('mail', {
        policy: ['deploy'],
        condition: { StringEqual: { 'jwt:iss': [other.iss] }, StringLike: { 'jwt:email': ['*@example.com'] } },
      }),
    ]),
  );

  afterAll(() => admin(attacked.system, 'DELETE', '/v1/resources/Role/mail'));

  it.each<[unknown, unknown, boolean]>([
    ['dev@example.com', true, true],
    ...[false, 'false', 'true', 1, null, undefined, [true]].map((verified): [unknown, unknown, boolean] => [
      'dev@example.com',
      verified,
      false,
    ]),
    ['a@evil.com@example.com', true, false],
    ['a@evil.com\n@example.com', true, false],
    ['a@evil.com @example.com', true, false],
    ['@example.com', true, false],
    ['dev@example.com\u0000', true, false],
    [['dev@example.com'], true, false],
  ])('%j with email_verified %j: %p', async (email, verified, isLetIn) => {
    const outcome = await attacked.present(signedByOther({ email, email_verified: verified }));
    if (isLetIn) expect(outcome).toMatchObject({ status: 200 });
    else expect(outcome).toEqual(refused('no_matching_role'));
  });
});

describe('identity claims that are empty or absent match nothing (CNF-16)', () => {
  it.each([undefined, null, '', [], {}, 1001, ['1001'], '1001 ', '01001', true])('repository_id %j', async (value) => {
    const token = attacked.token({ repository_id: value });
    expect(await attacked.present(token)).toEqual(refused('no_matching_role'));
  });
});

describe('documents that would let anybody in are refused whole', () => {
  const refusedDocument = async (...documents: object[]): Promise<unknown[]> => {
    const { status, body } = await admin(attacked.system, 'POST', '/v1/apply', documents);
    expect(status).toBe(422);
    return body.errors.map(({ path }: { path: string }) => path);
  };
  const iss = 'https://issuer.test';
  const withCondition = (condition: Spec): object => role('open', { policy: ['deploy'], condition });
  const pinned = (operator: string, key: string, values: unknown): object => {
    const binding = { StringEqual: { 'jwt:iss': [iss] } };
    return withCondition({
      ...binding,
      [operator]: { ...(operator === 'StringEqual' && binding.StringEqual), [key]: values },
    });
  };

  it.each<[string, Spec]>([
    ['no audience (CNF-06)', { aud: undefined }],
    ['an empty list', { aud: [] }],
    ['an empty text', { aud: [''] }],
    ['a star', { aud: ['*'] }],
    ['null', { aud: null }],
    ['a number', { aud: [1] }],
  ])('a JwtIssuer with %s as audience', async (_, spec) => {
    expect(await refusedDocument(jwtIssuer('open', 'https://open.test', spec))).toContainEqual(
      expect.stringMatching(/^\/spec\/aud/),
    );
  });

  it('a JwtIssuer that accepts any audience, in the directory that is read at the start (CNF-06)', async () => {
    await eventually(() => expect(attacked.system.output()).toContain('documents of the directory not applied'));
    expect((await admin(attacked.system, 'GET', '/v1/resources/JwtIssuer/from-directory')).status).toBe(404);
  });

  it.each(['sts.amazonaws.com', 'https://kubernetes.default.svc', 'api://AzureADTokenExchange'])(
    'the audience %s, which many services share, is at least pointed out (CNF-06)',
    async (aud) => {
      const document = jwtIssuer('shared', 'https://shared.test', { aud, jwks: { keys: [held.publicJwk] } });
      const { status, body } = await admin(attacked.system, 'POST', '/v1/apply?dryRun=true', [document]);
      expect({ status, findings: body.findings }).toEqual({
        status: 200,
        findings: [
          expect.objectContaining({
            rule: 'generic_audience',
            severity: 'warning',
            path: expect.stringMatching(/^\/spec\/aud/),
          }),
        ],
      });
    },
  );

  it.each([
    ['many tenants (CNF-14)', 'https://login.microsoftonline.com/common/v2.0'],
    ['all organisations', 'https://login.microsoftonline.com/organizations/v2.0'],
    ['a template', 'https://login.microsoftonline.com/{tenantid}/v2.0'],
  ])('a JwtIssuer that stands for %s', async (_, iss) => {
    expect(await refusedDocument(jwtIssuer('open', iss))).toEqual(['/spec/iss']);
  });

  it('a JwtIssuer that is us (CNF-19)', async () => {
    expect(await refusedDocument(jwtIssuer('us', attacked.system.url))).toEqual(['/spec/iss']);
  });

  it.each(['none', 'None', 'HS256', 'hs512', 'ES256K', 'RSA1_5', ''])('a JwtIssuer that accepts %p', async (alg) => {
    const [path] = await refusedDocument(jwtIssuer('open', 'https://open.test', { algorithms: [alg] }));
    expect(path).toMatch(/^\/spec\/algorithms/);
  });

  it('a second JwtIssuer of the same iss', async () => {
    const { status } = await admin(attacked.system, 'POST', '/v1/apply', [jwtIssuer('again', other.iss)]);
    expect([409, 422]).toContain(status);
  });

  it('a Role that names no issuer (CNF-13)', async () => {
    const paths = await refusedDocument(withCondition({ StringEqual: { 'jwt:sub': ['repo:acme/web'] } }));
    expect(paths).toContainEqual(expect.stringMatching(/^\/spec\/condition/));
  });

  it.each<[string, object]>([
    ['an empty value (CNF-16)', pinned('StringEqual', 'jwt:repository', [''])],
    ['a star', pinned('StringLike', 'jwt:repository', ['*'])],
    ['only wildcards', pinned('StringLike', 'jwt:repository', ['?*'])],
    ['an empty list', pinned('StringLike', 'jwt:repository', [])],
    ['null', pinned('StringLike', 'jwt:repository', null)],
    ['a negative issuer', withCondition({ StringNotEqual: { 'jwt:iss': ['https://evil.test'] } })],
    ['an issuer pattern', withCondition({ StringLike: { 'jwt:iss': ['https://*'] } })],
    ['an optional issuer', withCondition({ StringEqualIfExists: { 'jwt:iss': [iss] } })],
  ])('a Role with %s', async (_, document) => {
    const paths = await refusedDocument(document);
    for (const path of paths) expect(path).toMatch(/^\/spec\/(condition|principal)/);
  });

  it('and nothing of them was stored', async () => {
    const { body } = await admin(attacked.system, 'GET', '/v1/resources?limit=500');
    const names = body.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);
    expect(names).not.toEqual(expect.arrayContaining(['open']));
    expect(await attacked.present(attacked.token())).toEqual(accepted);
  });
});

// Last, over everything above (AUD-02, AUD-03).
it('every attempt was recorded once, and no token stands in the trail or in the log', async () => {
  expect(await attacked.notRecordedOnce()).toEqual([]);
  expect(await attacked.leaked()).toEqual([]);
});
