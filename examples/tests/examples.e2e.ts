import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { parse } from 'yaml';
import { startJob, type DemoJob } from '../../tools/src/demo-job';
import { startEmbedded, type DemoServer } from '../../tools/src/demo-server';
import { makeSandbox, markedBlocks, type Finished, type Sandbox } from './sandbox';

const gitlabClaims = {
  sub: 'project_path:acme/api:ref_type:branch:ref:main',
  namespace_id: '72',
  namespace_path: 'acme',
  project_id: '20',
  project_path: 'acme/api',
  ref: 'main',
  ref_type: 'branch',
  ref_protected: 'true',
  pipeline_source: 'push',
};

let server: DemoServer;
let jobs: { github: DemoJob; production: DemoJob; gitlab: DemoJob };
let target: { url: string; requests: IncomingMessage[]; stop: () => void };
let sandbox: Sandbox;

beforeAll(async () => {
  const [started, github, production, gitlab] = await Promise.all([
    startEmbedded(),
    startJob(),
    startJob({ environment: 'production' }),
    startJob(gitlabClaims),
  ]);
  server = started;
  jobs = { github, production, gitlab };
  target = await startTarget();
  sandbox = await makeSandbox({
    'http://127.0.0.1:8080': server.url,
    'http://127.0.0.1:8090': github.iss,
    'https://sts.example.com': server.url,
    'https://deploy.example.com': target.url,
    'https://gitlab.com': gitlab.iss,
  });
});

afterAll(async () => {
  target?.stop();
  await Promise.all([server, ...Object.values(jobs ?? {})].map((started) => started?.stop()));
  await sandbox?.remove();
});

/** Stands in for the service that the examples deploy to. */
async function startTarget(): Promise<typeof target> {
  const requests: IncomingMessage[] = [];
  const http = createServer((request, response) => {
    requests.push(request);
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"accepted":true}');
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return { url, requests, stop: () => http.close() };
}

const serverEnv = (): Record<string, string> => ({
  COUNTERSIGN_URL: server.url,
  COUNTERSIGN_TOKEN: server.adminToken,
});

const jobEnv = ({ requestUrl, requestToken }: DemoJob): Record<string, string> => ({
  COUNTERSIGN_URL: server.url,
  ACTIONS_ID_TOKEN_REQUEST_URL: requestUrl,
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: requestToken,
});

const asUser = (script: string, env: Record<string, string> = {}): Promise<Finished> =>
  sandbox.run(script, { ...serverEnv(), ...env });

async function expectOk(finished: Finished): Promise<string> {
  expect(finished).toMatchObject({ code: 0 });
  return finished.out;
}

/** The claims of the access token that reached the target last, its signature verified with our published keys. */
async function lastDeployment(): Promise<Record<string, unknown>> {
  const token = target.requests.at(-1)?.headers.authorization?.replace('Bearer ', '') ?? '';
  const keys = (await (await fetch(`${server.url}/oauth2/jwks`)).json()) as JSONWebKeySet;
  const options = { issuer: server.url, audience: target.url, typ: 'at+jwt' };
  return (await jwtVerify(token, createLocalJWKSet(keys), options)).payload;
}

describe('the README', () => {
  test('every command of the tour works in the order shown', async () => {
    const blocks = markedBlocks(await sandbox.read('README.md'), /^run$/);
    expect(blocks.length).toBeGreaterThanOrEqual(4);
    const outputs: string[] = [];
    for (const { text } of blocks) outputs.push(await expectOk(await asUser(text, jobEnv(jobs.github))));
    const all = outputs.join('\n');
    for (const wanted of ['Role/shop-main created', 'healthy', 'deploy-shop', '"shop-main"', 'exchange.granted']) {
      expect(all).toContain(wanted);
    }
    expect(all).not.toMatch(/eyJ[\w-]{20,}/);
  });

  test('a job on another branch is refused and told nothing but the class', async () => {
    const claims = join(sandbox.folder, 'dev-branch.json');
    await writeFile(claims, JSON.stringify({ ref: 'refs/heads/dev' }));
    const port = new URL(jobs.github.iss).port;
    // A key of its own: signed by somebody else in the name of the trusted issuer.
    const mint = `npx countersign dev issuer token --port ${port} --claims ${claims} --key-file other.json`;
    const forged = await asUser(`${mint} | npx countersign exchange --token-file -`);
    expect(forged).toMatchObject({ code: 1, out: '' });
    expect(forged.err).toContain('token not valid');
  });
});

describe('the GitHub Actions workflow', () => {
  interface Workflow {
    permissions: Record<string, string>;
    jobs: Record<string, { env: Record<string, string>; steps: { uses?: string; run?: string }[] }>;
  }

  const workflow = async (): Promise<Workflow> =>
    parse(await sandbox.read('examples/github-actions/deploy.yml')) as Workflow;

  test('asks for the id token and for nothing that is not pinned', async () => {
    const { permissions, jobs: all } = await workflow();
    const uses = Object.values(all).flatMap(({ steps }) => steps.flatMap((step) => step.uses ?? []));
    expect(permissions['id-token']).toBe('write');
    expect(uses.filter((action) => !/@[0-9a-f]{40}$/.test(action))).toEqual([]);
  });

  test('deploys with a token for the service it deploys to, and shows it to nobody', async () => {
    const documents = (await sandbox.read('examples/github-actions/documents.yaml')).replaceAll(
      'https://token.actions.githubusercontent.com',
      jobs.production.iss,
    );
    await writeFile(join(sandbox.folder, 'github.yaml'), documents);
    await expectOk(await asUser('npx countersign apply -f github.yaml'));
    const githubEnv = join(sandbox.folder, 'github-env');
    await writeFile(githubEnv, '');
    const [job] = Object.values((await workflow()).jobs);
    let printed = '';
    for (const { run = '' } of job?.steps ?? []) {
      const exported = Object.fromEntries(
        (await readFile(githubEnv, 'utf8')).split('\n').flatMap((line) => (line === '' ? [] : [line.split(/=(.*)/s)])),
      ) as Record<string, string>;
      const env = { ...jobEnv(jobs.production), ...job?.env, ...exported, GITHUB_ENV: githubEnv, GITHUB_SHA: 'abc' };
      printed += await expectOk(await sandbox.run(run, env, { shell: 'bash' }));
    }
    expect(await lastDeployment()).toMatchObject({ roles: ['web-production'], policy: ['deploy-web'] });
    expect(printed.split('\n').filter((line) => line.includes('eyJ'))).toEqual([
      expect.stringMatching(/^::add-mask::eyJ/),
    ]);
  });
});

test('the GitLab CI job deploys with a token for the service it deploys to', async () => {
  await expectOk(await asUser('npx countersign apply -f examples/gitlab-ci/documents.yaml'));
  const { deploy } = parse(await sandbox.read('examples/gitlab-ci/gitlab-ci.yml')) as {
    deploy: { id_tokens: { JOB_TOKEN: { aud: string } }; variables: Record<string, string>; script: string[] };
  };
  const env = {
    ...deploy.variables,
    CI_COMMIT_SHA: 'abc',
    JOB_TOKEN: await jobs.gitlab.mint(deploy.id_tokens.JOB_TOKEN.aud),
  };
  const printed = await expectOk(await sandbox.run(deploy.script.join('\n'), env));
  expect(await lastDeployment()).toMatchObject({ roles: ['api-protected-branches'], policy: ['deploy-api'] });
  expect(printed).not.toContain('eyJ');
});

test('the policy tests of the GitHub documents pass, and no token that is near is granted', async () => {
  const text = await sandbox.read('examples/policy-tests/web-production.yaml');
  const command = /^# +(npx countersign test .*)$/m.exec(text)?.[1] ?? '';
  const printed = await expectOk(await asUser(command));
  expect(printed).toMatch(/^(\d+) of \1 near misses refused$/m);
  expect(printed).toContain('6 of 6 cases passed');
});

test('the OpenFaaS documents apply unchanged; issuers that cannot be reached are findings', async () => {
  const finished = await asUser('npx countersign apply -f examples/openfaas --output json');
  const answer = JSON.parse(await expectOk(finished)) as {
    results: { action: string }[];
    findings: { resource: { name: string } }[];
  };
  expect(answer.results.map(({ action }) => action)).toEqual(Array.from({ length: 6 }, () => 'created'));
  expect(answer.findings.map(({ resource }) => resource.name)).toContain('id.example.com');
});

test('the webhook receiver believes what is signed and nothing else', async () => {
  await expectOk(await asUser('npx countersign apply -f examples/quickstart'));
  const port = Number(new URL((await startAndStopTarget()).url).port);
  const url = `http://127.0.0.1:${port}/`;
  const registered = await fetch(`${server.url}/v1/webhooks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ url, types: ['dev.countersign.exchange.granted.v1'] }),
  });
  const { secret } = (await registered.json()) as { secret: string };
  const receiver = startReceiver(port, secret);
  try {
    await receiver.line('listening on');
    await expectOk(await asUser('npx countersign exchange --output table', jobEnv(jobs.github)));
    const line = await receiver.line('exchange.granted');
    expect(JSON.parse(line)).toMatchObject({ subject: 'github-dev:repo:acme/shop:ref:refs/heads/main' });
    const forged = await fetch(url, { method: 'POST', body: line });
    expect(forged.status).toBe(401);
    await receiver.line('refused: headers are missing');
  } finally {
    receiver.stop();
  }
});

async function startAndStopTarget(): Promise<{ url: string }> {
  const { url, stop } = await startTarget();
  stop();
  return { url };
}

function startReceiver(port: number, secret: string) {
  const script = join(sandbox.folder, 'examples/webhook-receiver/receiver.mjs');
  const env = { PATH: process.env['PATH'], PORT: String(port), WEBHOOK_SECRET: secret };
  const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  let look = (): void => undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    look();
  });
  const line = (part: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no line with "${part}" in: ${output}`)), 60_000);
      look = () => {
        const found = output.split('\n').find((text) => text.includes(part));
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      };
      look();
    });
  return { line, stop: () => child.kill() };
}

describe('the command against a real server', () => {
  const bad = (spec: string): string =>
    `printf '%s' '{"apiVersion":"countersign.dev/v1","kind":"Role","metadata":{"name":"bad"},"spec":${spec}}'`;

  test.each([
    {
      name: 'names the field of a document that is not valid',
      script: `${bad('{"polcy":["x"]}')} | npx countersign apply -f -`,
      says: '/spec/polcy',
    },
    {
      name: 'says when the admin token is wrong',
      script: 'npx countersign get',
      env: { COUNTERSIGN_TOKEN: 'x'.repeat(40) },
      says: '401',
    },
    { name: 'says when a document does not exist', script: 'npx countersign get role nobody', says: '404' },
    {
      name: 'says when nobody is there',
      script: 'npx countersign get',
      env: { COUNTERSIGN_URL: 'http://127.0.0.1:1' },
      code: 3,
      says: 'cannot reach',
    },
    { name: 'refuses a kind that does not exist', script: 'npx countersign get widget', code: 2, says: 'JwtIssuer' },
  ])('$name', async ({ script, env = {}, code = 1, says }) => {
    const finished = await asUser(script, env);
    expect(finished).toMatchObject({ code, out: '' });
    expect(finished.err).toContain(says);
    expect(finished.err).toMatch(/^next {2}/m);
  });

  test('a token is exchanged once, and the trail has the reason', async () => {
    await expectOk(await asUser('npx countersign apply -f examples/quickstart'));
    await writeFile(join(sandbox.folder, 'job-token'), await jobs.github.mint(server.url));
    await expectOk(await asUser('npx countersign exchange --token-file job-token -o json'));
    const again = await asUser('npx countersign exchange --token-file job-token');
    expect(again).toMatchObject({ code: 1, out: '' });
    const [, traceId] = /--trace-id ([0-9a-f]{32})/.exec(again.err) ?? [];
    const reasonOf = async (): Promise<string> =>
      (await asUser(`npx countersign audit list --trace-id ${traceId}`)).out;
    await waitUntil(async () => (await reasonOf()).includes('replayed'));
  });

  test('an issued token is verified with published keys, a job token is not one of ours', async () => {
    const exchange = 'npx countersign exchange --output token';
    const verified = await asUser(`${exchange} | npx countersign token inspect --verify`, jobEnv(jobs.github));
    expect(await expectOk(verified)).toContain('verified: signature');
    await writeFile(join(sandbox.folder, 'job-token'), await jobs.github.mint(server.url));
    expect(await asUser('npx countersign token inspect --verify < job-token')).toMatchObject({ code: 1 });
    expect(await expectOk(await asUser('npx countersign token inspect < job-token'))).toContain('not verified');
  });

  test('documents are listed, shown so that they apply again, and deleted', async () => {
    await expectOk(await asUser('npx countersign apply -f examples/quickstart'));
    expect(await expectOk(await asUser('npx countersign get roles'))).toContain('shop-main');
    const again = 'npx countersign get role shop-main | npx countersign apply -f - --dry-run -o json';
    expect(await expectOk(await asUser(again))).toContain('"unchanged"');
    await expectOk(await asUser('npx countersign delete role shop-main'));
    expect(await asUser('npx countersign get role shop-main')).toMatchObject({ code: 1 });
  });
});

async function waitUntil(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await holds())) if (Date.now() > deadline) throw new Error('it did not come true within 15 seconds');
}
