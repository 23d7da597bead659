import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFile, chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  eventually,
  Recorder,
  serverBinary,
  startLocalIssuer,
  startStack,
  type LocalIssuer,
  type Stack,
} from '@countersign/testing';
import { apply, type Answer, type Target } from '../support/client';
import { githubClaims, jwtIssuer, policy, role, type Spec } from '../support/documents';

export interface ReplayStack {
  stack: Stack;
  issuer: LocalIssuer;
  /** The exchange replicas themselves, past nginx. */
  replicas: Target[];
  /** A Redis command as a user who may do anything; the lines of its answer. */
  redis(...command: string[]): Promise<string[]>;
  /** What Redis is asked while the work is done, as MONITOR tells it. */
  monitor(work: () => Promise<unknown>): Promise<string[]>;
  /** Ends Redis as a power cut would, removes its files, and starts it again. */
  loseRedis(): Promise<void>;
  stop(): Promise<void>;
}

const run = promisify(execFile);

/** Three exchange replicas, one issuer that signs fast, and a Redis user whom the deployed configuration lacks. */
export async function startReplayStack(): Promise<ReplayStack> {
  const dataDir = await mkdtemp(join(tmpdir(), 'countersign-replay-'));
  const [stack, issuer] = await Promise.all([
    startStack({ dataDir, replicas: { exchange: 3 } }),
    startLocalIssuer({ algorithms: ['ES256'] }),
  ]);
  const { command, env } = await serverBinary('redis-cli');
  await appendFile(join(dataDir, 'redis/users.acl'), '\nuser operator on nopass allkeys allchannels allcommands\n');
  await stack.redis.kill();
  await stack.redis.restart();
  const args = ['-p', String(stack.redis.port), '--user', 'operator', '--pass', 'any', '--no-auth-warning'];
  const redis: ReplayStack['redis'] = async (...words) => {
    const { stdout } = await run(command, [...args, ...words], { env });
    return stdout.split('\n').filter((line) => line !== '');
  };
  const monitor: ReplayStack['monitor'] = async (work) => {
    const child = spawn(command, [...args, 'MONITOR'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    const lines = new Recorder<string>();
    child.stdout.on('data', (chunk: Buffer) => lines.add(...chunk.toString().split('\n')));
    await lines.atLeast(1);
    await work();
    await redis('ECHO', 'the-end');
    await eventually(() => {
      if (!lines.items.join('\n').includes('the-end')) throw new Error('MONITOR tells nothing');
    });
    child.kill();
    return lines.items;
  };
  const replicas = stack.replicasOf('exchange').map(({ url }) => ({ url, adminToken: stack.adminToken }));
  await trust(stack, issuer);
  for (const one of replicas) await retried(one, await issuer.sign(githubClaims(issuer.iss)));
  return {
    stack,
    issuer,
    replicas,
    redis,
    monitor,
    loseRedis: async () => {
      await stack.redis.kill();
      await rm(join(dataDir, 'redis/appendonlydir'), { recursive: true, force: true });
      await stack.redis.restart();
    },
    stop: async () => {
      await Promise.all(stack.services.map((service) => service.kill('SIGKILL')));
      await stack.stop();
      await issuer.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A folder for the embedded mode, which runs its database as another user. */
export async function newDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'countersign-replay-'));
  await chmod(dataDir, 0o755);
  return dataDir;
}

/** Documents that let every job of acme/web of this issuer in. */
export const trust = (
  target: Target,
  issuer: Pick<LocalIssuer, 'iss'>,
  spec: Spec = {},
  name = 'github',
): Promise<Answer> =>
  apply(target, [
    jwtIssuer(name, issuer.iss, { algorithms: ['ES256'], ...spec }),
    policy(`deploy-${name}`, ['Function:Deploy'], ['*']),
    role(`deployers-${name}`, {
      policy: [`deploy-${name}`],
      condition: { StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository_id': ['1001'] } },
    }),
  ]);

let calls = 0;
const callers = (): string => `10.${(++calls >> 16) & 255}.${(calls >> 8) & 255}.${calls & 255}`;

/** An exchange, each from an address of its own: so many refusals from one would be limited. */
export async function use(
  { url }: Pick<Target, 'url'>,
  token: string,
  fields: Record<string, string> = {},
): Promise<Answer> {
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    ...fields,
  });
  const headers = { 'x-forwarded-for': callers() };
  const response = await fetch(`${url}/oauth2/token`, { method: 'POST', body, headers });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** `granted`, `used before`, `not valid`, `unavailable`, `slow down`; anything else as it came. */
export async function outcome(
  target: Pick<Target, 'url'>,
  token: string,
  fields: Record<string, string> = {},
): Promise<string> {
  const { status, body } = await use(target, token, fields);
  if (status === 200) return 'granted';
  if (status === 429) return 'slow down';
  if (status === 503 && body.error === 'temporarily_unavailable') return 'unavailable';
  const known: Record<string, string> = { 'token already used': 'used before', 'token not valid': 'not valid' };
  return (status === 400 && known[body.error_description as string]) || `${status} ${JSON.stringify(body)}`;
}

/** What clients do: the same token again while the system is unavailable or asks to slow down. */
export async function retried(
  target: Pick<Target, 'url'>,
  token: string,
  fields: Record<string, string> = {},
): Promise<string> {
  return eventually(async () => {
    const answer = await outcome(target, token, fields);
    if (answer === 'unavailable' || answer === 'slow down') throw new Error(answer);
    return answer;
  });
}

/** The key of a use, from what identifies a token: each part preceded by its length (RPL-07). */
export function keyOf(...parts: string[]): string {
  const text = parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join('');
  return `cs:exchange:used:${sha256(text)}`;
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** More than the question for the address limit (some 200 bytes), less than a reservation (251). */
const RESERVATION_BYTES = 240;

/** Resolves when a reservation waits at a Redis that is frozen, by the bytes it has not read. Linux only. */
export const reachesFrozenRedis = (port: number): Promise<void> =>
  eventually(async () => {
    const rows = (await readFile('/proc/net/tcp', 'latin1')).split('\n').slice(1);
    const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    const waiting = rows.map((row) => row.trim().split(/\s+/)).filter((columns) => columns[1]?.endsWith(local));
    const most = Math.max(0, ...waiting.map((columns) => Number.parseInt(columns[4]?.split(':')[1] ?? '0', 16)));
    if (most < RESERVATION_BYTES) throw new Error(`${most} bytes wait`);
  });
