import { join } from 'node:path';
import { commandUnderTest, send } from './command.fixture';
import { decodeToken } from './decode-token';
import { startDevIssuer } from './dev-issuer/issuer-server';
import { loadKey } from './dev-issuer/key-file';

const cli = commandUnderTest();
const { run, file } = cli;

const devKey = () => loadKey(join(cli.folder, 'dev-issuer.json'));

const answerProblem = (status: number, more: object = {}): void =>
  cli.answer(
    { type: 'about:blank', title: 'Invalid document', status, detail: '1 error', traceId: 'f'.repeat(32), ...more },
    status,
  );

const role = 'apiVersion: countersign.dev/v1\nkind: Role\nmetadata: {name: deploy}\nspec: {}\n';

describe('exit codes', () => {
  it.each<[string, string[], number]>([
    ['help is fine', ['--help'], 0],
    ['an unknown command is a usage error', ['frobnicate'], 2],
    ['an unknown option is a usage error', ['get', '--frobnicate'], 2],
    ['an unknown kind is a usage error', ['get', 'Widget'], 2],
    ['an unknown output is a usage error', ['get', '-o', 'xml'], 2],
    ['a missing file is a usage error', ['apply', '-f', 'nowhere.yaml'], 2],
    ['a limit that is no number is a usage error', ['audit', 'list', '--limit', 'many'], 2],
    ['an exchange without a token is a usage error', ['exchange'], 2],
    ['a bad URL is a usage error', ['token', 'inspect', 'not-a-token'], 2],
  ])('%s', async (_, args, code) => {
    expect((await run(args)).code).toBe(code);
  });

  it.each([
    [401, 1],
    [403, 1],
    [404, 1],
    [409, 1],
    [422, 1],
    [500, 1],
    [502, 3],
    [503, 3],
  ])('status %d ends with %d and says what to do next', async (status, code) => {
    answerProblem(status);
    const result = await run(['get']);
    expect(result.code).toBe(code);
    expect(result.err).toMatch(/^next {2}\S/m);
  });

  it('a server that is not there ends with 3', async () => {
    const env = { COUNTERSIGN_URL: 'http://127.0.0.1:1' };
    const result = await run(['get'], { env });
    expect(result.code).toBe(3);
    expect(result.err).toContain('cannot reach http://127.0.0.1:1');
  });
});

describe('apply', () => {
  it('sends every document of a folder in one request and maps an error back to its file', async () => {
    file('a.yaml', `${role}---\n---\n${role.replace('deploy', 'second')}`);
    file('b.json', JSON.stringify([{ kind: 'Role', metadata: { name: 'third' } }]));
    file('notes.txt', 'not a document');
    const error = { document: 2, kind: 'Role', name: 'third', path: '/spec', code: 'required', message: 'is required' };
    answerProblem(422, { errors: [error] });
    const result = await run(['apply', '-f', '.']);
    expect(result.err).toContain('b.json  Role/third  /spec  is required');
    expect(cli.seen).toHaveLength(1);
    expect(cli.seen[0]?.headers['content-type']).toBe('application/yaml');
    expect(cli.seen[0]?.body.match(/"?name"?: ?"?(deploy|second|third)/g)).toHaveLength(3);
  });

  it('says where a file is not YAML and sends nothing', async () => {
    const result = await run(['apply', '-f', file('bad.yaml', 'kind: Role\nspec: [unclosed\n')]);
    expect(result).toMatchObject({ code: 1, out: '' });
    expect(result.err).toMatch(/bad\.yaml:\d+:\d+: /);
    expect(cli.seen).toEqual([]);
  });

  it.each([
    [[], 'POST /v1/apply'],
    [['--dry-run'], 'POST /v1/apply?dryRun=true'],
    [['--dry-run', '--prune'], 'POST /v1/apply?dryRun=true&prune=true'],
  ])('passes %j on', async (flags, line) => {
    cli.answer({ revision: 3, dryRun: flags.length > 0, results: [], findings: [] });
    const result = await run(['apply', '-f', '-', ...flags], { readStdin: () => Promise.resolve(role) });
    expect(cli.seen.map((request) => request.line)).toEqual([line]);
    expect(result.out).toMatch(/revision/);
  });
});

describe('exchange', () => {
  it('speaks to GitHub as a job does, and to the token endpoint without the admin token', async () => {
    const key = await devKey();
    const issuer = await startDevIssuer({ port: 0, key, readOverrides: () => ({}) });
    const env = {
      ...cli.env,
      ACTIONS_ID_TOKEN_REQUEST_URL: issuer.requestUrl,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: key.requestToken,
    };
    cli.answer({ access_token: 'a.b.c', token_type: 'Bearer', expires_in: 900 });
    const result = await run(['exchange', '--audience', 'one', '--audience', 'two', '--scope', 'role:deploy'], { env });
    await issuer.close();
    const form = new URLSearchParams(cli.seen[0]?.body);
    expect(result).toMatchObject({ code: 0, out: 'a.b.c\n' });
    expect(cli.seen[0]?.headers.authorization).toBeUndefined();
    expect(form.getAll('audience')).toEqual(['one', 'two']);
    expect(form.get('scope')).toBe('role:deploy');
    expect(decodeToken(form.get('subject_token') ?? '').claims).toMatchObject({ iss: issuer.iss, aud: cli.url });
  });

  it.each([
    [true, [], false],
    [true, ['-o', 'token'], true],
    [true, ['-o', 'json'], true],
    [false, [], true],
    [false, ['-o', 'table'], false],
  ])('on a terminal (%p) with %j the token is printed: %p', async (isTty, flags, printed) => {
    const token = (await run(['dev', 'issuer', 'token'])).out.trim();
    cli.answer({ access_token: token, token_type: 'Bearer', expires_in: 900 });
    const result = await run(['exchange', '--token-file', file('token', token), ...flags], { isTty });
    expect(result.code).toBe(0);
    expect(result.out.includes(token)).toBe(printed);
    expect(result.err).not.toContain(token);
  });

  it('has GitHub star the token out before it is printed', async () => {
    cli.answer({ access_token: 'a.b.c' });
    const env = { COUNTERSIGN_URL: cli.url, GITHUB_ACTIONS: 'true' };
    const result = await run(['exchange', '--token-file', file('token', 'x')], { env });
    expect(result.err).toBe('::add-mask::a.b.c\n');
  });

  it.each([
    ['malformed token', 'compact token'],
    ['untrusted issuer', 'get JwtIssuer'],
    ['token not valid', 'token inspect'],
    ['audience not accepted', 'spec.aud'],
    ['token already used', 'new token'],
    ['not authorized', 'Role'],
    ['target not allowed', 'spec.audience'],
  ])('explains the refusal "%s" and how to find the full reason', async (refusal, hint) => {
    cli.answer({ error: 'invalid_request', error_description: refusal, trace_id: 'e'.repeat(32) }, 400);
    const result = await run(['exchange', '--token-file', file('token', 'x')]);
    expect(result.code).toBe(1);
    expect(result.err).toContain(hint);
    expect(result.err).toContain(`countersign explain --trace-id ${'e'.repeat(32)}`);
  });
});

describe('token revoke', () => {
  it('sends the token and nothing else that could be kept, and never prints it', async () => {
    const { code, out } = await run(['token', 'revoke', '-'], { readStdin: async () => 'h.c.s\n' });
    expect(code).toBe(0);
    expect(cli.seen).toMatchObject([{ line: 'POST /oauth2/revoke', body: 'token=h.c.s' }]);
    expect(cli.seen[0]?.headers.authorization).toBeUndefined();
    expect(out).not.toContain('h.c.s');
  });

  it('without a token is a usage error', async () => {
    expect((await run(['token', 'revoke', '-'], { readStdin: async () => '' })).code).toBe(2);
  });
});

describe('the admin token', () => {
  it.each([
    ['http://127.0.0.1:PORT', 'Bearer embedded'],
    ['http://localhost:PORT', 'Bearer embedded'],
  ])('of the embedded mode goes to %s', async (template, wanted) => {
    const env = { COUNTERSIGN_DATA_DIR: cli.folder, COUNTERSIGN_URL: template.replace('PORT', new URL(cli.url).port) };
    file('admin-token', 'embedded\n');
    await run(['get'], { env });
    expect(cli.seen.map(({ headers }) => headers.authorization)).toEqual([wanted]);
  });
});

describe('lists', () => {
  it('get walks through all pages', async () => {
    const document = (name: string) => ({ apiVersion: 'v', kind: 'Role', metadata: { name }, spec: { policy: ['p'] } });
    cli.respond = (response, { url }) =>
      url.includes('cursor=next')
        ? send(response, { items: [document('b')], nextCursor: null })
        : send(response, { items: [document('a')], nextCursor: 'next' });
    const result = await run(['get', 'roles']);
    expect(result.out.split('\n').map((line) => line.split(/ {2,}/).slice(0, 3))).toEqual([
      ['KIND', 'NAME', 'SUMMARY'],
      ['Role', 'a', 'policy p'],
      ['Role', 'b', 'policy p'],
      [''],
    ]);
  });

  it('audit list stops at the limit and writes types in full', async () => {
    const event = { sequence: '1', time: 't', type: 'dev.countersign.exchange.denied.v1', subject: 's', data: {} };
    cli.answer({ items: [event], nextCursor: 'next' });
    const result = await run(['audit', 'list', '--type', 'exchange.denied', '--limit', '2']);
    expect(cli.seen.map((request) => new URL(request.url, cli.url).searchParams.get('limit'))).toEqual(['2', '1']);
    expect(cli.seen[0]?.url).toContain('type=dev.countersign.exchange.denied.v1');
    expect(result.out.split('\n')).toHaveLength(4);
  });

  it('ADM-08: never lets control characters of a claim reach the terminal, nor what cannot be seen', async () => {
    const event = {
      sequence: '1',
      time: 't',
      type: 'x',
      subject: 'repo:acme\u200b/web\u001b[31mred\u202e\u{e0041}',
      data: {},
    };
    cli.answer({ items: [event], nextCursor: null });
    const { out } = await run(['audit', 'list'], { isTty: true });
    expect(out).toContain('repo:acme�/web�[31mred��');
    expect(out).not.toMatch(/[\u001b\u200b\u202e\u{e0041}]/u);
  });
});

describe('the local issuer', () => {
  it('keeps its key over restarts, and mints nothing without the request token', async () => {
    const first = await devKey();
    const issuer = await startDevIssuer({ port: 0, key: first, readOverrides: () => ({}) });
    const refused = await fetch(`${issuer.requestUrl}&audience=x`);
    const keys = (await (await fetch(`${issuer.iss}/.well-known/jwks`)).json()) as { keys: object[] };
    await issuer.close();
    expect(refused.status).toBe(401);
    expect((await devKey()).kid).toBe(first.kid);
    expect(Object.keys(keys.keys[0] ?? {}).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
  });

  it.each([
    [{}, 'repo:acme/shop:ref:refs/heads/main'],
    [{ ref: 'refs/heads/dev' }, 'repo:acme/shop:ref:refs/heads/dev'],
    [{ environment: 'production' }, 'repo:acme/shop:environment:production'],
    [{ event_name: 'pull_request' }, 'repo:acme/shop:pull_request'],
    [{ sub: 'repository_id:700001' }, 'repository_id:700001'],
    [{ iss: 'https://elsewhere', aud: 'x', exp: 1 }, 'repo:acme/shop:ref:refs/heads/main'],
  ])('with the claims %j the subject is %s', async (claims, sub) => {
    const name = file('claims.json', JSON.stringify(claims));
    const { out } = await run(['dev', 'issuer', 'token', '--claims', name, '--port', '8123', '--audience', 'aud-1']);
    const token = decodeToken(out.trim());
    expect(token.claims).toMatchObject({ sub, iss: 'http://127.0.0.1:8123', aud: 'aud-1' });
    expect(Number(token.claims['exp']) - Number(token.claims['iat'])).toBe(300);
  });
});
