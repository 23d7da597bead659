/// <reference types="jest" />
import { startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { admin, apply, exchange } from '../support/client';
import { githubClaims, jwtIssuer, policy, role } from '../support/documents';
import type { EmbeddedSystem } from '../support/embedded';

interface Operation {
  method: string;
  path: string;
}

type Described = Record<string, Record<string, { security?: object[] }>>;

/** Open to everybody. What is not named here and described in /openapi.json needs credentials. */
const PUBLIC = [
  ...['POST /oauth2/token', 'POST /oauth/token', 'POST /oauth2/revoke', 'GET /oauth2/jwks', 'GET /schemas/{file}'],
  ...['openid-configuration', 'oauth-authorization-server', 'oauth-protected-resource', 'authzen-configuration'].map(
    (name) => `GET /.well-known/${name}`,
  ),
];
/** What changes nothing, though it has a body. */
const READING = ['POST /v1/explain', 'POST /v1/lint', 'POST /v1/test', 'POST /v1/who-can'];
/** With a JSON body that is read. */
const READS_JSON = [
  ...['POST /v1/apply', 'PUT /v1/resources/Policy/probe', ...READING, 'POST /v1/simulate'],
  ...['POST /access/v1/evaluation', 'POST /access/v1/evaluations'],
  ...['POST /v1/webhooks', `PATCH /v1/webhooks/${crypto.randomUUID()}`, 'POST /v1/erasures', 'POST /v1/revocations'],
].map((text): Operation => {
  const [method = '', path = ''] = text.split(' ');
  return { method, path };
});

/** A value for each parameter of a path; nothing has these names. */
const PLACES: Record<string, string> = { kind: 'Policy', number: '999999', path: '0/000', id: crypto.randomUUID() };
const placed = (path: string): string => path.replace(/\{(\w+)\}/g, (_, name: string) => PLACES[name] ?? 'probe');

/** Cases for an embedded system that nobody stops; `given` is it, once it runs. */
export function adminApiCases(given: () => EmbeddedSystem): void {
  describe('the admin API', () => {
    let system: EmbeddedSystem;
    let issuer: LocalIssuer;
    let operations: Operation[];

    const jobToken = (repositoryId: string): Promise<string> =>
      issuer.sign(githubClaims(issuer.iss, { repository_id: repositoryId }));
    const accessToken = async (repositoryId: string, fields: Record<string, string> = {}): Promise<string> => {
      const { status, body } = await exchange(system, await jobToken(repositoryId), fields);
      if (status !== 200) throw new Error(`exchange: ${status} ${JSON.stringify(body)}`);
      return body.access_token as string;
    };
    const call = ({ method, path }: Operation, headers: Record<string, string>, body?: string): Promise<Response> =>
      fetch(system.url + placed(path), { method, headers, ...(body === undefined ? {} : { body }) });
    /** Its status, or what is wrong with the refusal. */
    async function refusalOf(answer: Response): Promise<string> {
      const text = await answer.text();
      if (!/^application\/problem\+json\b/.test(answer.headers.get('content-type') ?? ''))
        return `not a problem: ${text}`;
      const { status, traceId } = JSON.parse(text) as { status: number; traceId: string };
      return status === answer.status && /^[0-9a-f]{32}$/.test(traceId) ? String(status) : text;
    }
    const nameOf = ({ method, path }: Operation): string => `${method} ${path}`;

    beforeAll(async () => {
      [system, issuer] = [given(), await startLocalIssuer()];
      const granted = (name: string, repositoryId: string, more: object = {}): object =>
        role(name, {
          policy: [name],
          condition: { StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository_id': [repositoryId] } },
          ...more,
        });
      await apply(system, [
        jwtIssuer('admins', issuer.iss),
        policy('reading', ['Iam:Read', 'Audit:Read'], ['countersign:*']),
        policy('everything', ['*'], ['*']),
        granted('reading', '7001'),
        granted('everything', '7002', { audience: ['https://deploy.test'] }),
      ]);
      const { paths } = (await (await fetch(`${system.url}/openapi.json`)).json()) as { paths: Described };
      const all = Object.entries(paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, { security }]) => ({ method: method.toUpperCase(), path, security })),
      );
      const open = all.filter(({ security }) => security === undefined).map(nameOf);
      expect(open.sort()).toEqual([...PUBLIC].sort());
      operations = all.filter(({ security }) => security !== undefined);
      expect(operations.length).toBeGreaterThan(40);
    });

    afterAll(() => issuer?.stop());

    it.each<[string, () => Promise<Record<string, string>>]>([
      ['nobody (ADM-16)', async () => ({})],
      [
        'a browser that was sent here from another site (ADM-10)',
        async () => ({ origin: 'https://evil.test', cookie: 'session=1' }),
      ],
      ['an empty token', async () => ({ authorization: 'Bearer ' })],
      ['a password', async () => ({ authorization: `Basic ${Buffer.from('admin:admin').toString('base64')}` })],
      ['the beginning of the admin token', async () => ({ authorization: `Bearer ${system.adminToken.slice(0, -1)}` })],
      [
        'a job with the token of its platform (ADM-22)',
        async () => ({ authorization: `Bearer ${await jobToken('7002')}` }),
      ],
      [
        'a job whose token may do everything, for another audience (ADM-22)',
        async () => ({ authorization: `Bearer ${await accessToken('7002', { audience: 'https://deploy.test' })}` }),
      ],
    ])('opens nothing to %s: 401, whatever is asked for, and no cookie', async (_, credentials) => {
      const headers = await credentials();
      const answers = await Promise.all(
        operations.map(async (operation) => {
          const answer = await call(operation, headers);
          const challenge = answer.headers.get('www-authenticate')?.startsWith('Bearer') ?? false;
          const isOpen = ['set-cookie', 'access-control-allow-origin'].some((name) => answer.headers.has(name));
          await answer.body?.cancel();
          return { operation: nameOf(operation), status: answer.status, challenge, isOpen };
        }),
      );
      expect(answers.filter(({ status, challenge, isOpen }) => status !== 401 || !challenge || isOpen)).toEqual([]);
    });

    it('takes no credentials from a query string', async () => {
      const answer = await fetch(`${system.url}/v1/resources?access_token=${system.adminToken}`);
      expect(answer.status).toBe(401);
    });

    it('lets who may read change nothing: 403 (ADM-03)', async () => {
      const headers = { authorization: `Bearer ${await accessToken('7001')}` };
      const changing = operations.filter((one) => one.method !== 'GET' && !READING.includes(nameOf(one)));
      expect(changing.length).toBeGreaterThan(15);
      const before = (await admin(system, 'GET', '/v1/revisions?limit=1')).body;
      for (const operation of changing) {
        const answer = await call(operation, headers);
        const challenge = answer.headers.get('www-authenticate') ?? '';
        expect({ operation: nameOf(operation), status: answer.status, challenge }).toMatchObject({
          status: 403,
          challenge: expect.stringContaining('error="insufficient_scope"'),
        });
        await answer.body?.cancel();
      }
      expect((await admin(system, 'GET', '/v1/revisions?limit=1')).body).toEqual(before);
    });

    it.each([
      ['a list', '[]'],
      ['a text', '"x"'],
      ['a number', '1'],
      ['null', 'null'],
      ['true', 'true'],
      ['half a million numbers', `[${'1,'.repeat(500_000)}1]`],
      ['a prototype (ADM-24)', '{"__proto__":{"isAdmin":true}}'],
      ['a constructor (ADM-24)', '{"constructor":{"prototype":{"isAdmin":true}}}'],
    ])('refuses %s as a body, and says so (ADM-06)', async (_, body) => {
      const headers = { authorization: `Bearer ${system.adminToken}`, 'content-type': 'application/json' };
      // Where everything that is stored is meant by nothing at all.
      const asked = READS_JSON.filter(({ path }) => body !== 'null' || !/lint|test/.test(path));
      for (const operation of asked) {
        const refusal = await refusalOf(await call(operation, headers, body));
        expect({ operation: nameOf(operation), refusal }).toEqual({
          operation: nameOf(operation),
          refusal: expect.stringMatching(/^4(00|04|13|22)$/) as string,
        });
      }
    });

    it('refuses or ignores parameters that it does not know (ADM-12, ADM-24)', async () => {
      const query =
        'filter[__proto__][isAdmin]=1&__proto__[isAdmin]=1&constructor.prototype.isAdmin=1' +
        `&sort=${encodeURIComponent('name; SELECT pg_sleep(5)')}&offset=1000000000&q=${'%25_'.repeat(20)}`;
      const headers = { authorization: `Bearer ${system.adminToken}` };
      const lists = operations.filter(({ method, path }) => method === 'GET' && !/[{]|stream/.test(path));
      for (const operation of lists) {
        const answer = await call({ ...operation, path: `${operation.path}?${query}` }, headers);
        await answer.body?.cancel();
        expect({ operation: nameOf(operation), isFine: [200, 404, 422].includes(answer.status) }).toEqual({
          operation: nameOf(operation),
          isFine: true,
        });
      }
    });

    it('goes on as before', async () => {
      expect(operations.filter(({ method }) => method === 'GET').length).toBeGreaterThan(15);
      expect((await admin({ ...system, adminToken: await accessToken('7001') }, 'GET', '/v1/resources')).status).toBe(
        200,
      );
      expect(system.output()).not.toMatch(/"level":"error"/);
    });
  });
}
