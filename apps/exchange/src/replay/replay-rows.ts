import type { EntityManager } from 'typeorm';

export interface EpochRow {
  id: string;
  /** Epoch seconds; subject tokens issued before it may have been used in a time nobody remembers. */
  minIssuedAt: number;
}

const LOCK = 7_265_106;
const LATEST = 'SELECT id, min_issued_at FROM exchange.replay_epoch ORDER BY number DESC LIMIT 1';

/** One replica at a time looks for a new epoch, and nobody notes an early use meanwhile. Until the transaction ends. */
export const lockEpochs = (manager: EntityManager): Promise<void> =>
  manager.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);

export async function latestEpoch(manager: EntityManager): Promise<EpochRow | null> {
  const [row]: { id: string; min_issued_at: string }[] = await manager.query(LATEST);
  return row === undefined ? null : { id: row.id, minIssuedAt: Number(row.min_issued_at) };
}

/** Epoch seconds by the clock of Postgres. */
export async function clock(manager: EntityManager): Promise<number> {
  const [row]: { now: number }[] = await manager.query('SELECT extract(epoch FROM clock_timestamp())::float8 AS now');
  return row?.now ?? 0;
}

export async function addEpoch(manager: EntityManager, epoch: EpochRow & { life: string }): Promise<void> {
  const { id, minIssuedAt, life } = epoch;
  await manager.query('INSERT INTO exchange.replay_epoch (id, min_issued_at) VALUES ($1, $2)', [id, minIssuedAt]);
  await addLife(manager, id, life);
}

export async function isLifeOf(manager: EntityManager, epochId: string, life: string): Promise<boolean> {
  const found: unknown[] = await manager.query('SELECT 1 FROM exchange.replay_life WHERE epoch = $1 AND life = $2', [
    epochId,
    life,
  ]);
  return found.length > 0;
}

export const addLife = (manager: EntityManager, epochId: string, life: string): Promise<void> =>
  manager.query('INSERT INTO exchange.replay_life (epoch, life) VALUES ($1, $2)', [epochId, life]);

/** False when the epoch is no longer the latest one: whoever began that one has not seen this note. */
export async function noteEarlyUse(
  manager: EntityManager,
  epochId: string,
  iss: string,
  iat: number,
): Promise<boolean> {
  await manager.query('SELECT pg_advisory_xact_lock_shared($1)', [LOCK]);
  const latest = await latestEpoch(manager);
  if (latest?.id !== epochId) return false;
  await manager.query(
    `INSERT INTO exchange.replay_early_use AS kept (epoch, iss, iat) VALUES ($1, $2, $3)
     ON CONFLICT (epoch, iss) DO UPDATE SET iat = greatest(kept.iat, excluded.iat)`,
    [epochId, iss, iat],
  );
  return true;
}

export async function earlyUsesBefore(manager: EntityManager, epoch: EpochRow): Promise<Map<string, number>> {
  const found: { iss: string; iat: string }[] = await manager.query(
    `SELECT iss, max(iat) AS iat FROM exchange.replay_early_use WHERE epoch <> $1 AND iat >= $2 GROUP BY iss`,
    [epoch.id, epoch.minIssuedAt],
  );
  return new Map(found.map(({ iss, iat }) => [iss, Number(iat)]));
}
