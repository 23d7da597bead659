import type { Row } from '../figures';
import { measure } from '../measure';
import { startFloor } from '../programs';
import { compare, row, type Bench } from '../rounds';
import { roundTrips } from '../round-trips';

const PART = 'floors';

/** What cannot be avoided: HTTP, the cryptography, and one round trip to each server. */
export async function measureFloors(bench: Bench): Promise<Row[]> {
  const { options, issuer, say } = bench;
  const floor = await startFloor(issuer);
  try {
    const rows: Row[] = [];
    for (const concurrency of [1, 32, 128]) {
      rows.push(...(await compare(bench, { part: PART, targets: [floor], references: {}, roles: 1, concurrency })));
      const load = { count: options.requests, concurrency, request: () => floor.plain.request };
      const what = { part: PART, what: floor.plain.name, conditions: { concurrency } };
      rows.push(row(what, [await measure(floor, load)]));
    }
    say('Redis, NATS, JetStream, PostgreSQL: round trips');
    return [...rows, ...(await roundTrips(PART, options))];
  } finally {
    await floor.stop();
  }
}
