import { startFourProcesses } from '../four-processes';
import type { Row } from '../figures';
import { runLoad } from '../http-load';
import { whenQuiet } from '../measure';
import { useOf } from '../process-cpu';
import { exchangeLoad, type Bench } from '../rounds';

const ROLES = 1_000;
const LOOKS = 5;
const MB = 1024 * 1024;

/** Resident memory of each process while exchanges go on, at equal distances. */
export async function measureMemory({ issuer, options, say }: Bench): Promise<Row[]> {
  const target = await startFourProcesses(issuer, { roles: ROLES });
  try {
    const rows: Row[] = [];
    const look = (exchanges: number): void => {
      for (const [what, { memoryBytes }] of Object.entries(useOf(target.processes)))
        rows.push({
          part: 'memory',
          what,
          conditions: { exchanges, roles: ROLES },
          figures: { memoryMb: memoryBytes / MB },
          cpuMicros: {},
        });
    };
    look(0);
    for (let step = 1; step <= LOOKS; step++) {
      say(`memory: ${step} of ${LOOKS}`);
      const count = Math.ceil(options.exchanges / LOOKS);
      await inSlices(count, async (slice) => {
        await runLoad(await exchangeLoad(issuer, target, { count: slice, concurrency: 32, roles: ROLES }));
      });
      await whenQuiet(target.processes);
      look(step * count);
    }
    return rows;
  } finally {
    await target.stop();
  }
}

/** Tokens are signed for a few thousand exchanges at a time, and do not wait longer than they live. */
async function inSlices(count: number, work: (slice: number) => Promise<void>): Promise<void> {
  for (let left = count; left > 0; left -= 5_000) await work(Math.min(left, 5_000));
}
