import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { createHash, randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { startJob, type DemoJob } from '../../tools/src/demo-job';
import { startEmbedded, type DemoServer } from '../../tools/src/demo-server';
import { makeSandbox, root, type Sandbox } from './sandbox';

const AUDIENCE = 'https://deploy.example.com';

interface Api {
  url: string;
  lines: string[];
  stop: () => void;
}

let server: DemoServer;
let job: DemoJob;
let sandbox: Sandbox;
let offline: Api;
let online: Api;

beforeAll(async () => {
  [server, job] = await Promise.all([startEmbedded(), startJob()]);
  sandbox = await makeSandbox({ 'http://127.0.0.1:8080': server.url, 'http://127.0.0.1:8090': job.iss });
  const env = { COUNTERSIGN_URL: server.url, COUNTERSIGN_TOKEN: server.adminToken };
  const applied = await sandbox.run('npx countersign apply -f examples/resource-server/documents.yaml', env);
  expect(applied).toMatchObject({ code: 0 });
  [offline, online] = await Promise.all([startApi({}), startApi({ DECIDER_TOKEN: server.adminToken })]);
});

afterAll(async () => {
  for (const api of [offline, online]) api?.stop();
  await Promise.all([server?.stop(), job?.stop(), sandbox?.remove()]);
});

/** The example as it stands, once it listens. */
async function startApi(settings: Record<string, string>): Promise<Api> {
  const env = { PATH: process.env['PATH'], COUNTERSIGN_URL: server.url, AUDIENCE, PORT: '0', ...settings };
  const child: ChildProcess = spawn(process.execPath, ['examples/resource-server/server.mjs'], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.stdout === null) throw new Error('no output to read');
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  const [first] = (await once(reader, 'line')) as [string];
  return { url: first.replace('listening on ', ''), lines, stop: () => child.kill() };
}

async function exchange(fields: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<string> {
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: await job.mint(server.url),
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    ...fields,
  });
  const response = await fetch(`${server.url}/oauth2/token`, { method: 'POST', body: form, headers });
  const { access_token: token } = (await response.json()) as { access_token?: string };
  if (token === undefined) throw new Error(`no token: ${response.status}`);
  return token;
}

const call = async (api: Api, method: string, path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(api.url + path, { method, headers });
  return { status: response.status, challenge: response.headers.get('www-authenticate'), body: await response.json() };
};
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const permission = (actions: string[], resources: string[]): string =>
  JSON.stringify([{ type: 'countersign_permission', actions, resources }]);

const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64url');

async function newKey() {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(publicKey);
  const prove = (claims: object): Promise<string> =>
    new SignJWT({ jti: randomUUID(), iat: Math.floor(Date.now() / 1000), ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .sign(privateKey);
  return { prove };
}

describe('the example API', () => {
  test('asks for a token, and tells which kinds it takes', async () => {
    const refused = await call(offline, 'GET', '/deployments');
    expect(refused).toMatchObject({ status: 401, challenge: expect.stringMatching(/^Bearer, DPoP algs=/) });
  });

  test('takes a token of countersign by its role, and no other', async () => {
    expect(await call(offline, 'GET', '/deployments', bearer(await exchange()))).toMatchObject({ status: 200 });
    const jobToken = await job.mint(AUDIENCE);
    expect(await call(offline, 'GET', '/deployments', bearer(jobToken))).toMatchObject({ status: 401 });
    expect(offline.lines.at(-1)).toBe('refused: typ');
  });

  test('offline, lets a caller do what the permissions in its token say, and nothing without them', async () => {
    const narrowed = await exchange({ authorization_details: permission(['Deploy:Create'], ['shop:web']) });
    const deployed = await call(offline, 'POST', '/deployments/web', bearer(narrowed));
    expect(deployed).toMatchObject({
      status: 201,
      body: { service: 'web', by: expect.stringMatching(/^github-dev:/) },
    });
    expect(await call(offline, 'POST', '/deployments/api', bearer(narrowed))).toMatchObject({ status: 403 });
    expect(await call(offline, 'POST', '/deployments/web', bearer(await exchange()))).toMatchObject({ status: 403 });
  });

  test('with a decider, does what the policies say', async () => {
    const token = await exchange();
    expect(await call(online, 'POST', '/deployments/web', bearer(token))).toMatchObject({ status: 201 });
    const denied = await call(online, 'POST', '/deployments/ledger', bearer(token));
    expect(denied).toMatchObject({ status: 403, challenge: 'Bearer error="insufficient_scope"' });
  });

  test('takes a bound token with the proof of its key alone', async () => {
    const { prove } = await newKey();
    const token = await exchange({}, { dpop: await prove({ htm: 'POST', htu: `${server.url}/oauth2/token` }) });
    const dpop = await prove({ htm: 'GET', htu: `${AUDIENCE}/deployments`, ath: hashOf(token) });
    const headers = { authorization: `DPoP ${token}`, dpop };
    expect(await call(offline, 'GET', '/deployments', headers)).toMatchObject({ status: 200 });
    expect(await call(offline, 'GET', '/deployments', headers)).toMatchObject({ status: 401 });
    expect(await call(offline, 'GET', '/deployments', bearer(token))).toMatchObject({ status: 401 });
    expect(offline.lines.slice(-2)).toEqual(['refused: proof_replayed', 'refused: proof_missing']);
  });

  test('with a decider, passes the proof of a bound token on, and hears of a revocation at once', async () => {
    const { prove } = await newKey();
    const token = await exchange({}, { dpop: await prove({ htm: 'POST', htu: `${server.url}/oauth2/token` }) });
    const deploy = async () => {
      const dpop = await prove({ htm: 'POST', htu: `${AUDIENCE}/deployments/web`, ath: hashOf(token) });
      return call(online, 'POST', '/deployments/web', { authorization: `DPoP ${token}`, dpop });
    };
    expect(await deploy()).toMatchObject({ status: 201 });
    await fetch(`${server.url}/oauth2/revoke`, { method: 'POST', body: new URLSearchParams({ token }) });
    expect(await deploy()).toMatchObject({ status: 403 });
  });

  test('writes no token into its log', () => {
    expect([...offline.lines, ...online.lines].join('\n')).not.toMatch(/eyJ/);
  });
});
