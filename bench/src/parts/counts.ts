import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@countersign/testing';
import Redis from 'ioredis';
import { startFourProcesses, type FourProcesses } from '../four-processes';
import type { Row } from '../figures';
import { runLoad } from '../http-load';
import { whenQuiet } from '../measure';
import { exchangeLoad, type Bench } from '../rounds';
import { temporaryFolder } from '../temporary-folder';

const ROLES = 10;
/** What is compiled allocates less: until most of it is. */
const WARM_UP = 3_000;
const COUNTED = [
  { concurrency: 1, count: 300 },
  { concurrency: 32, count: 3_200 },
];
const SAMPLED = 1_600;
const SERVICES = ['exchange', 'policy', 'audit'] as const;
const KILOBYTE = 1024;

/** What an exchange costs whatever the machine: messages, reads of Redis, memory allocated by each service. */
export async function measureCounts({ issuer, say }: Bench): Promise<Row[]> {
  say('counts');
  const folder = await temporaryFolder();
  const preload = `--require ${join(__dirname, '../../allocations.cjs')}`;
  const env = { BENCH_ALLOCATIONS: folder, NODE_OPTIONS: preload };
  const target = await startFourProcesses(issuer, { roles: ROLES }, { env });
  const exchange = async (count: number, concurrency: number): Promise<void> => {
    const { statuses } = await runLoad(await exchangeLoad(issuer, target, { count, concurrency, roles: ROLES }));
    if (statuses['200'] !== count) throw new Error(`exchanges answer ${JSON.stringify(statuses)}`);
  };
  try {
    await exchange(WARM_UP, 32);
    await whenQuiet(target.processes);
    // First: what waits for the frozen audit service comes to it later, some of it half a minute later.
    const allocations = await sampleAllocations(target, folder, exchange);
    return [...(await countMessages(target, exchange)), ...allocations];
  } finally {
    await target.stop();
  }
}

type Exchange = (count: number, concurrency: number) => Promise<void>;

const row = (what: string, concurrency: number, each: number): Row => ({
  part: 'counts',
  what,
  conditions: { concurrency, roles: ROLES },
  figures: { each },
  cpuMicros: {},
});

/** With the audit service frozen: when it fetches is a matter of time. */
async function countMessages({ stack, audit }: FourProcesses, exchange: Exchange): Promise<Row[]> {
  const redis = new Redis(stack.redisUrl('exchange'));
  const rows: Row[] = [];
  audit?.pause();
  try {
    for (const { concurrency, count } of COUNTED) {
      const before = [await messagesTo(stack.nats.monitorUrl), await readsOf(redis)] as const;
      await exchange(count, concurrency);
      const messages = (await messagesTo(stack.nats.monitorUrl)) - before[0];
      const reads = (await readsOf(redis)) - before[1];
      rows.push(row('messages to NATS', concurrency, messages / count));
      rows.push(row('reads of Redis', concurrency, reads / count));
    }
    return rows;
  } finally {
    audit?.resume();
    redis.disconnect();
  }
}

async function messagesTo(monitorUrl: string): Promise<number> {
  const answer = (await (await fetch(`${monitorUrl}/varz`)).json()) as { in_msgs: number };
  return answer.in_msgs;
}

/** How often the server read from its connections: commands that came together count once. */
async function readsOf(redis: Redis): Promise<number> {
  return Number(/^total_reads_processed:(\d+)/m.exec(await redis.info('stats'))?.[1]);
}

async function sampleAllocations({ processes }: FourProcesses, folder: string, exchange: Exchange): Promise<Row[]> {
  const signal = (): void => SERVICES.forEach((name) => void process.kill(processes[name] ?? NaN, 'SIGUSR2'));
  await whenQuiet(processes);
  signal();
  await exchange(SAMPLED, 32);
  await whenQuiet(processes);
  signal();
  return Promise.all(
    SERVICES.map(async (name) => {
      const bytes = await eventually(async () => Number(await readFile(join(folder, name), 'utf8')));
      return row(`KB allocated by ${name}`, 32, bytes / SAMPLED / KILOBYTE);
    }),
  );
}
