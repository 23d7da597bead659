import { setTimeout as delay } from 'node:timers/promises';
import { total, type Sample } from './figures';
import { percentile, runLoad, type Load } from './http-load';
import { useOf } from './process-cpu';
import type { Target } from './target';

const LOOK_MS = 300;
const QUIET_WITHIN_MS = 60_000;
/** Of one core: what services do that nobody asks for anything. */
const QUIET_SHARE = 0.15;

type Processes = Target['processes'];
type ByProcess = Record<string, number>;

const cpuOf = (processes: Processes): ByProcess =>
  Object.fromEntries(Object.entries(useOf(processes)).map(([name, { cpuSeconds }]) => [name, cpuSeconds]));

const minus = (a: ByProcess, b: ByProcess, factor = 1): ByProcess =>
  Object.fromEntries(Object.entries(a).map(([name, value]) => [name, value - (b[name] ?? 0) * factor]));

const scaled = (values: ByProcess, factor: number): ByProcess => minus({ ...values }, values, 1 - factor);

/**
 * Waits until what was left to do after the last answer is done, a minute at most. Resolves with the share of a core
 * that each process takes while nothing is asked of it.
 */
export async function whenQuiet(processes: Processes): Promise<ByProcess> {
  const deadline = performance.now() + QUIET_WITHIN_MS;
  for (let before = cpuOf(processes); ;) {
    const since = performance.now();
    await delay(LOOK_MS);
    const after = cpuOf(processes);
    const share = scaled(minus(after, before), 1000 / (performance.now() - since));
    if (total(share) < QUIET_SHARE || performance.now() > deadline) return share;
    before = after;
  }
}

/** What runs after the answers counts as well, less what the processes would have taken in that time anyway. */
export async function measure(
  target: Pick<Target, 'url' | 'processes'>,
  load: Omit<Load, 'url'>,
): Promise<Sample & { seconds: number }> {
  const { processes, url } = target;
  const idle = await whenQuiet(processes);
  const before = cpuOf(processes);
  const { count, seconds, statuses, latencies } = await runLoad({ ...load, url });
  const since = performance.now();
  await whenQuiet(processes);
  const used = minus(minus(cpuOf(processes), before), idle, (performance.now() - since) / 1000);
  const good = statuses['200'] ?? 0;
  if (good === 0) throw new Error(`no request succeeded: ${JSON.stringify(statuses)}`);
  return {
    figures: {
      rate: good / seconds,
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
      failed: count - good,
    },
    cpuMicros: Object.fromEntries(
      Object.entries(used).map(([name, cpu]) => [name, (Math.max(0, cpu) / count) * 1_000_000]),
    ),
    seconds,
  };
}
