import type { EntityManager } from 'typeorm';

/** What retention left of the trail. */
export interface KeptRange {
  /** Events that were removed: those with a sequence up to this. */
  removed: number;
  /** What is kept was recorded after this; null while nothing was removed. */
  begunAt: Date | null;
}

export async function readKeptRange(manager: EntityManager): Promise<KeptRange> {
  const [oldest] = await manager.query<{ first: string; begunAt: Date }[]>(
    'SELECT first_sequence AS first, begun_at AS "begunAt" FROM audit.event_partition ORDER BY number LIMIT 1',
  );
  const removed = Number(oldest?.first ?? 1) - 1;
  return { removed, begunAt: removed === 0 ? null : (oldest?.begunAt ?? null) };
}
