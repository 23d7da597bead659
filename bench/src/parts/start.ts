import { median, total, type Row } from '../figures';
import { useOf } from '../process-cpu';
import { startEmbedded } from '../programs';
import type { Bench } from '../rounds';
import { temporaryFolder } from '../temporary-folder';

interface Start {
  seconds: number;
  /** Of all its processes; on a busy machine the time alone says little. */
  cpuSeconds: number;
}

async function startOnce(folder: string): Promise<Start> {
  const since = performance.now();
  const target = await startEmbedded(folder);
  const seconds = (performance.now() - since) / 1000;
  const use = Object.entries(useOf(target.processes)).map(([name, { cpuSeconds }]) => [name, cpuSeconds]);
  await target.stop();
  return { seconds, cpuSeconds: total(Object.fromEntries(use) as Record<string, number>) };
}

/** From the start of the process to the first 200 of `/health/ready`: the first on an empty folder, then warm ones. */
export async function measureStart({ options, say }: Bench): Promise<Row[]> {
  const folder = await temporaryFolder();
  const starts: Start[] = [];
  for (let round = 0; round <= options.rounds; round++) {
    say(round === 0 ? 'embedded mode: first start' : 'embedded mode: warm start');
    starts.push(await startOnce(folder));
  }
  const row = (start: string, some: Start[]): Row => ({
    part: 'start',
    what: 'embedded mode',
    conditions: { start },
    figures: {
      seconds: median(some.map(({ seconds }) => seconds)),
      cpuSeconds: median(some.map(({ cpuSeconds }) => cpuSeconds)),
    },
    cpuMicros: {},
  });
  return [row('first', starts.slice(0, 1)), row('warm', starts.slice(1))];
}
