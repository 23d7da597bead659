import { join } from 'node:path';
import { startStack, type LocalIssuer, type Stack } from '@countersign/testing';
import { applyDocuments, type BenchDocuments } from './documents';
import { exchangeRequest } from './exchange-form';
import { temporaryFolder } from './temporary-folder';
import type { OwnTarget } from './target';

export interface FourProcesses extends OwnTarget {
  stack: Stack;
  url: string;
  /** Every replica of the exchange. */
  urls: string[];
  policyUrl: string;
}

/** The four services as processes with real NATS, Redis and PostgreSQL; the load goes to the exchange itself. */
export async function startFourProcesses(
  issuer: LocalIssuer,
  documents: BenchDocuments,
  { exchange = 1, env = {} }: { exchange?: number; env?: Record<string, string> } = {},
): Promise<FourProcesses> {
  const dataDir = await temporaryFolder();
  const stack = await startStack({ dataDir, replicas: { exchange }, env: { ...profiling(), ...env } });
  const target = describe(stack);
  try {
    await applyDocuments(target, issuer, documents);
    return target;
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

function describe(stack: Stack): FourProcesses {
  const urls = stack.replicasOf('exchange').map(({ url }) => url);
  const [url = ''] = urls;
  const [audit] = stack.replicasOf('audit');
  return {
    name: 'four processes',
    stack,
    url,
    urls,
    adminUrl: stack.url,
    adminToken: stack.adminToken,
    databaseUrl: stack.postgres.url.replace(/postgres$/, 'countersign'),
    policyUrl: stack.replicasOf('policy')[0]?.url ?? '',
    ...(audit === undefined ? {} : { audit }),
    processes: processesOf(stack),
    exchangeRequest: (token) => exchangeRequest(url, '/oauth2/token', token),
    stop: () => stack.stop(),
  };
}

function processesOf({ services, nats, redis, postgres }: Stack): Record<string, number> {
  const nameOf = ({ name, replica }: Stack['services'][number]): string =>
    replica === 1 ? name : `${name} ${replica}`;
  const named = services.map((service): [string, number] => [nameOf(service), service.pid]);
  return { ...Object.fromEntries(named), nats: nats.pid, redis: redis.pid, postgres: postgres.pid };
}

/** With `BENCH_PROFILES=FOLDER` each service leaves a CPU profile there when it ends. */
function profiling(): Record<string, string> {
  const folder = process.env.BENCH_PROFILES;
  if (folder === undefined) return {};
  return { BENCH_PROFILES: folder, NODE_OPTIONS: `--require ${join(__dirname, '../profiler.cjs')}` };
}
