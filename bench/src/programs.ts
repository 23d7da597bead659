import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { freePort, ServerProcess, type LocalIssuer } from '@countersign/testing';
import { exchangeRequest } from './exchange-form';
import { httpPost } from './http-load';
import { childOf } from './process-cpu';
import type { ExchangeTarget, OwnTarget, Target } from './target';

const STANDALONE = resolve(__dirname, '../../apps/standalone/dist/main.js');

interface Program {
  url: string;
  pid: number;
  stop: () => Promise<void>;
}

/** Starts a script as a process of its own that listens on `PORT`; it ends with this process. */
async function startProgram(script: string, variables: (port: number) => Record<string, string>, path = '/') {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = new ServerProcess({
    name: script,
    command: process.execPath,
    args: [script],
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...variables(port) },
    probe: async () => {
      const { status } = await fetch(url + path);
      if (status >= 500) throw new Error(`${url} answers ${status}`);
    },
  });
  await server.start();
  return { url, pid: server.pid, stop: () => server.stop() } satisfies Program;
}

const startOwn = (name: string, issuer?: LocalIssuer): Promise<Program> =>
  startProgram(join(__dirname, `${name}.js`), (port) => ({ PORT: String(port), ISSUER: issuer?.iss ?? '' }));

/** The least that an exchange can cost: node:http, the verification of an RS256 and the making of an ES256 signature. */
export async function startFloor(
  issuer: LocalIssuer,
): Promise<ExchangeTarget & { plain: Target & { request: string } }> {
  const { url, pid, stop } = await startOwn('floor-server', issuer);
  const target = { url, processes: { 'bare server': pid }, stop };
  return {
    ...target,
    name: 'bare crypto',
    exchangeRequest: (token) => exchangeRequest(url, '/token', token),
    plain: { ...target, name: 'bare http', request: httpPost(url, '/plain', '{}', {}) },
  };
}

/** npm's oidc-provider with a token exchange. */
export async function startPeer(issuer: LocalIssuer): Promise<ExchangeTarget> {
  const { url, pid, stop } = await startOwn('peer-server', issuer);
  return {
    name: 'oidc-provider',
    url,
    processes: { 'oidc-provider': pid },
    exchangeRequest: (token) => exchangeRequest(url, '/token', token, { client_id: 'bench' }),
    stop,
  };
}

/** Takes webhooks and forgets them. */
export const startReceiver = (): Promise<Program> => startOwn('receiver-server');

/** All of us in one process, beside its PostgreSQL. */
export async function startEmbedded(dataDir: string): Promise<OwnTarget & { url: string }> {
  const settings = (port: number) => ({ COUNTERSIGN_PORT: String(port), COUNTERSIGN_DATA_DIR: dataDir });
  const { url, pid, stop } = await startProgram(STANDALONE, settings, '/health/ready');
  const postgres = childOf(pid, 'postgres');
  return {
    name: 'embedded mode',
    url,
    adminUrl: url,
    databaseUrl: embeddedDatabase(dataDir, postgres),
    adminToken: readFileSync(join(dataDir, 'admin-token'), 'utf8').trim(),
    processes: { standalone: pid, ...(postgres === undefined ? {} : { postgres }) },
    exchangeRequest: (token) => exchangeRequest(url, '/oauth2/token', token),
    stop,
  };
}

/** Where the PostgreSQL of an embedded mode listens: the fourth line of the file that it writes for this purpose. */
function embeddedDatabase(dataDir: string, pid: number | undefined): string {
  if (pid === undefined) return '';
  const password = readFileSync(join(dataDir, 'postgres/password'), 'utf8').trim();
  const port = readFileSync(`/proc/${pid}/cwd/postmaster.pid`, 'utf8').split('\n')[3];
  return `postgres://countersign:${password}@127.0.0.1:${port}/postgres`;
}
