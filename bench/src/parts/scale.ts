import { startFourProcesses } from '../four-processes';
import type { Row } from '../figures';
import { compare, warmUp, type Bench } from '../rounds';

const ROLES = 1_000;
/** What is under way at one of them at a time decides how much it gathers into one message: the same for each. */
const PER_REPLICA = 32;

/**
 * More exchange processes against the same servers. On the two cores of one machine the rate cannot grow with them; what
 * it shows is whether the CPU for an exchange stays the same, which a lock or a coordination between them would not leave.
 */
export async function measureScale(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const exchange of [1, 2, 4]) {
    bench.say(`starting ${exchange} of exchange`);
    const target = await startFourProcesses(bench.issuer, { roles: ROLES }, { exchange });
    const spread = { ...target, url: target.urls };
    const more = { replicas: exchange };
    try {
      await warmUp(
        bench,
        Array.from({ length: exchange }, () => spread),
        ROLES,
      );
      const comparison = { part: 'scale', targets: [spread], references: {}, roles: ROLES, more };
      rows.push(...(await compare(bench, { ...comparison, concurrency: PER_REPLICA * exchange })));
    } finally {
      await target.stop();
    }
  }
  return rows.map((row) => together(row));
}

/** The replicas of the exchange as one line of CPU, so that runs can be compared. */
function together(row: Row): Row {
  const cpuMicros: Record<string, number> = {};
  for (const [name, micros] of Object.entries(row.cpuMicros)) {
    const service = name.replace(/ \d+$/, '');
    cpuMicros[service] = (cpuMicros[service] ?? 0) + micros;
  }
  return { ...row, cpuMicros };
}
