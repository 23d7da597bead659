import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgram, waitFor, type Started } from '../../tools/src/demo-process';
import { startEmbedded, type DemoServer } from '../../tools/src/demo-server';
import { makeSandbox, markedBlocks, root, type Finished, type Sandbox } from './sandbox';
import { tableAfter } from './tables';

const DEPLOY = 'https://deploy.example.com';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

let server: DemoServer;
let issuer: Started;
let keys: string;
let sandbox: Sandbox;
let text: string;

beforeAll(async () => {
  keys = await mkdtemp(join(tmpdir(), 'countersign-keys-'));
  const args = ['dev', 'issuer', '--port', '0', '--key-file', join(keys, 'dev-issuer.json')];
  issuer = startProgram('apps/cli/bin/countersign.js', args, {});
  const port = (): string | null => /http:\/\/127\.0\.0\.1:(\d+)/.exec(issuer.output())?.[1] ?? null;
  const [started, found] = await Promise.all([startEmbedded(), waitFor(issuer, 'the local issuer', port)]);
  server = started;
  const replacements = {
    'http://127.0.0.1:8080': server.url,
    'http://127.0.0.1:8090': `http://127.0.0.1:${found}`,
    '--port 8090': `--port ${found}`,
  };
  sandbox = await makeSandbox(replacements);
  await cp(join(keys, 'dev-issuer.json'), join(sandbox.folder, '.countersign', 'dev-issuer.json'));
  text = await readFile(join(root, 'docs/token-service.md'), 'utf8');
});

afterAll(async () => {
  await Promise.all([server?.stop(), issuer?.stop(), sandbox?.remove()]);
  await rm(keys, { recursive: true, force: true });
});

const run = (script: string): Promise<Finished> =>
  sandbox.run(script, { COUNTERSIGN_URL: server.url, COUNTERSIGN_TOKEN: server.adminToken });

interface Answer {
  access_token?: string;
  error?: string;
  error_description?: string;
}

/** A block of the document by its name, run as it stands. The token endpoint's answer is seen on its way. */
async function runBlock(name: string): Promise<string> {
  const block = markedBlocks(text, /^run: /).find(({ marker }) => marker === `run: ${name}`);
  if (block === undefined) throw new Error(`no block ${name}`);
  const finished = await run(block.text.replace('| shown', '| tee seen.json | shown'));
  expect(finished).toMatchObject({ code: 0 });
  expect(finished.out).not.toMatch(/eyJ[\w-]/);
  return finished.out;
}

const seen = async (): Promise<Answer> =>
  JSON.parse(await readFile(join(sandbox.folder, 'seen.json'), 'utf8')) as Answer;
const claimsIn = ({ access_token: token = '' }: Answer): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;

const tableOf = (name: string): string[][] => tableAfter(text, `<!-- table: ${name} -->`);

const job = { sub: 'github-dev:repo:acme/shop:ref:refs/heads/main', aud: DEPLOY, roles: ['shop-deployers'] };
const permission = { type: 'countersign_permission', actions: ['Deploy:Create'], resources: ['shop:web'] };
const seenClaims = new Set<string>();

describe('every example of docs/token-service.md works as it stands', () => {
  test('in the order shown', async () => {
    const names = markedBlocks(text, /^run: /).map(({ marker }) => marker.replace('run: ', ''));
    expect(names).toEqual(['set-up', ...Object.keys(granted), ...administered]);
    expect(await runBlock('set-up')).toContain('shop-deployers created');
  });

  const granted: Record<string, object> = {
    'token-exchange': { ...job, policy: ['deploy-shop'], client_id: 'github-dev', scope: 'role:shop-deployers' },
    'jwt-bearer': job,
    'client-credentials': job,
    narrowing: { ...job, authorization_details: [permission] },
    'own-token': { ...job, authorization_details: [permission], parents: [expect.any(String)] },
    actor: { ...job, sub: 'github-dev:ann', act: { sub: job.sub } },
    dpop: { ...job, cnf: { jkt: expect.any(String) } },
  };
  const administered = ['introspection', 'revocation', 'revocation-by-claim', 'rotation'];

  test.each(Object.entries(granted))('%s', async (name, claims) => {
    await runBlock(name);
    const found = claimsIn(await seen());
    expect(found).toMatchObject(claims);
    for (const claim of Object.keys(found)) seenClaims.add(claim);
  });

  test('the table of claims has those of the tokens issued, and no other', () => {
    expect(tableOf('claims').map(([claim]) => claim)).toEqual(expect.arrayContaining([...seenClaims]));
    expect(tableOf('claims')).toHaveLength(seenClaims.size);
  });

  test('introspection, and revocation by the holder', async () => {
    expect(JSON.parse(await runBlock('introspection'))).toMatchObject({ active: true, token_type: 'DPoP', ...job });
    expect(await runBlock('revocation')).toBe('');
    expect(JSON.parse(await runBlock('introspection'))).toEqual({ active: false });
  });

  test('revocation by claim', async () => {
    await runBlock('token-exchange');
    const check = `. examples/token-service/functions.sh
      member access_token < seen.json | as_admin "$url/oauth2/introspect" --data-urlencode token@-`;
    expect((await run(check)).out).toContain('"active":true');
    expect(await runBlock('revocation-by-claim')).toContain('leaked in a build log');
    expect((await run(check)).out).toBe('{"active":false}');
  });

  test('rotation of our keys', async () => {
    expect(await runBlock('rotation')).toMatch(/"state":"active"/);
  });
});

describe('the table of errors', () => {
  const send = async (fields: Record<string, string>, headers: Record<string, string> = {}) => {
    const body = new URLSearchParams(fields);
    const response = await fetch(`${server.url}/oauth2/token`, { method: 'POST', body, headers });
    return { status: String(response.status), ...((await response.json()) as Answer) };
  };
  const jobToken = async (): Promise<string> => (await run('. examples/token-service/functions.sh; job_token')).out;
  const exchange = async (fields: Record<string, string>) => ({
    grant_type: EXCHANGE,
    subject_token_type: JWT,
    subject_token: await jobToken(),
    ...fields,
  });
  const staleProof = async (): Promise<string> => {
    const script = `node examples/token-service/dpop-proof.mjs POST "$COUNTERSIGN_URL/oauth2/revoke"`;
    return (await run(script)).out;
  };

  const causes: Record<string, () => Promise<[Record<string, string>, Record<string, string>?]>> = {
    invalid_request: async () => [await exchange({ subject_token: 'no-token' })],
    invalid_grant: async () => [{ grant_type: JWT_BEARER, assertion: 'no-token' }],
    invalid_client: async () => [
      {
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: 'no-token',
      },
    ],
    unsupported_grant_type: async () => [{ grant_type: 'password' }],
    invalid_scope: async () => [await exchange({ scope: 'openid' })],
    invalid_target: async () => [await exchange({ audience: 'https://other.example' })],
    invalid_authorization_details: async () => [await exchange({ authorization_details: '[{"type":"payment"}]' })],
    invalid_dpop_proof: async () => [await exchange({}), { dpop: await staleProof() }],
  };

  test.each(Object.entries(causes))('%s', async (error, cause) => {
    const answer = await send(...(await cause()));
    expect(answer).toMatchObject({ error });
    const row = tableOf('errors').find(([code]) => code === error);
    expect(row?.[1]).toBe(answer.status);
    expect(answer.access_token).toBeUndefined();
  });

  test('leaves out none', () => {
    const elsewhere = ['use_dpop_nonce', 'slow_down', 'temporarily_unavailable'];
    expect(tableOf('errors').map(([code]) => code)).toEqual([...Object.keys(causes), ...elsewhere]);
  });
});
