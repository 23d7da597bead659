import type { Row } from '../figures';
import { startFloor, startPeer } from '../programs';
import { compare, warmUp, type Bench, type References } from '../rounds';

/** Starts what we are compared with; `work` gets it warm. */
export async function besideReferences<T>(bench: Bench, work: (references: References) => Promise<T>): Promise<T> {
  const toFloor = await startFloor(bench.issuer);
  try {
    const toPeer = await startPeer(bench.issuer);
    try {
      await warmUp(bench, [toPeer, toFloor], 1);
      return await work({ toPeer, toFloor });
    } finally {
      await toPeer.stop();
    }
  } finally {
    await toFloor.stop();
  }
}

/** oidc-provider beside the bare floor. */
export const measurePeer = (bench: Bench): Promise<Row[]> =>
  besideReferences(bench, async (references) => {
    const rows: Row[] = [];
    for (const concurrency of [1, 32, 128])
      rows.push(...(await compare(bench, { part: 'peer', targets: [], references, roles: 1, concurrency })));
    return rows;
  });
