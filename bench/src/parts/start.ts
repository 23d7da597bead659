import type { Row } from '../figures';
import { median } from '../figures';
import { startEmbedded } from '../programs';
import type { Bench } from '../rounds';
import { temporaryFolder } from '../temporary-folder';

/** From the start of the process to the first 200 of `/health/ready`: the first on an empty folder, then warm ones. */
export async function measureStart({ options, say }: Bench): Promise<Row[]> {
  const folder = await temporaryFolder();
  const seconds: number[] = [];
  for (let round = 0; round <= options.rounds; round++) {
    say(round === 0 ? 'embedded mode: first start' : 'embedded mode: warm start');
    const since = performance.now();
    const target = await startEmbedded(folder);
    seconds.push((performance.now() - since) / 1000);
    await target.stop();
  }
  const [first = NaN, ...warm] = seconds;
  const row = (start: string, value: number): Row => ({
    part: 'start',
    what: 'embedded mode',
    conditions: { start },
    figures: { seconds: value },
    cpuMicros: {},
  });
  return [row('first', first), row('warm', median(warm))];
}
