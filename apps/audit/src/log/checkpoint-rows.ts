import type { EntityManager } from 'typeorm';
import type { Hash } from '@countersign/transparency-log';

export interface CheckpointRow {
  /** Entries of the log. */
  size: number;
  root: Hash;
  /** Signed, as it is shown and witnessed. */
  note: string;
}

interface StoredRow extends Omit<CheckpointRow, 'size'> {
  size: string;
}

const fromStored = (row: StoredRow | undefined): CheckpointRow | null =>
  row ? { ...row, size: Number(row.size) } : null;

export async function latestCheckpoint(manager: EntityManager): Promise<CheckpointRow | null> {
  const sql = 'SELECT size, root, note FROM audit.checkpoint ORDER BY size DESC LIMIT 1';
  const [row] = await manager.query<StoredRow[]>(sql);
  return fromStored(row);
}

export async function storeCheckpoint(manager: EntityManager, row: CheckpointRow, createdAt: Date): Promise<void> {
  await manager.query('INSERT INTO audit.checkpoint (size, root, note, created_at) VALUES ($1, $2, $3, $4)', [
    row.size,
    row.root,
    row.note,
    createdAt,
  ]);
}
