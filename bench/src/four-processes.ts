import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack, type LocalIssuer } from '@countersign/testing';
import { applyDocuments, type BenchDocuments } from './documents';
import { httpPost } from './http-load';
import type { Target } from './target';

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

/** The form of a token exchange (RFC 8693 §2.1). */
export const exchangeForm = (subjectToken: string): string =>
  new URLSearchParams({
    grant_type: TOKEN_EXCHANGE,
    subject_token: subjectToken,
    subject_token_type: JWT_TYPE,
  }).toString();

export const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** The four services as processes with real NATS, Redis and PostgreSQL; the load goes to the exchange itself. */
export async function startFourProcesses(
  issuer: LocalIssuer,
  documents: BenchDocuments,
  replicas: { exchange: number } = { exchange: 1 },
): Promise<Target & { adminToken: string; policyUrl: string; urls: string[]; auditPid: number }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
  const stack = await startStack({ dataDir, replicas, env: profiling() });
  const stop = async (): Promise<void> => {
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    await applyDocuments({ url: stack.url, adminToken: stack.adminToken }, issuer, documents);
  } catch (error) {
    await stop();
    throw error;
  }
  const urls = stack.replicasOf('exchange').map(({ url }) => url);
  const [url = ''] = urls;
  const services = stack.services.map(({ name, replica, pid }) => [replica === 1 ? name : `${name} ${replica}`, pid]);
  return {
    name: 'four processes',
    url,
    urls,
    adminToken: stack.adminToken,
    policyUrl: stack.replicasOf('policy')[0]?.url ?? '',
    auditPid: stack.replicasOf('audit')[0]?.pid ?? 0,
    processes: Object.fromEntries([
      ...services,
      ['nats', stack.nats.pid],
      ['redis', stack.redis.pid],
      ['postgres', stack.postgres.pid],
    ]),
    exchangeRequest: (token) => httpPost(url, '/oauth2/token', exchangeForm(token), FORM),
    stop,
  };
}

/** With `BENCH_PROFILES=FOLDER` each service leaves a CPU profile there when it ends. */
function profiling(): Record<string, string> {
  const folder = process.env.BENCH_PROFILES;
  if (folder === undefined) return {};
  return { BENCH_PROFILES: folder, NODE_OPTIONS: `--require ${join(__dirname, '../profiler.cjs')}` };
}
