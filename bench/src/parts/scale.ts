import { startFourProcesses } from '../four-processes';
import type { Row } from '../figures';
import { compare, warmUp, type Bench } from '../rounds';

const ROLES = 1_000;

/**
 * More exchange processes against the same servers. On the two cores of one machine the rate cannot grow with them; what
 * it shows is that the CPU for an exchange stays the same, which a lock or a coordination between them would not leave.
 */
export async function measureScale(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const exchange of [1, 2, 4]) {
    bench.say(`starting ${exchange} of exchange`);
    const target = await startFourProcesses(bench.issuer, { roles: ROLES }, { exchange });
    const spread = { ...target, url: target.urls };
    const more = { replicas: exchange };
    try {
      await warmUp(bench, [spread], ROLES);
      const comparison = { part: 'scale', targets: [spread], references: {}, roles: ROLES, concurrency: 32, more };
      rows.push(...(await compare(bench, comparison)));
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
