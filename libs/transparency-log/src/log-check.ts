import type { TreeHead } from './checkpoint';
import { CompactTree } from './compact-tree';
import { leafHash, type Hash } from './tree-hash';

/** The first place at which an export is not the log that was signed for; rows count from 1. */
export interface LogFault {
  kind: 'edited' | 'removed' | 'reordered' | 'cut_off' | 'log_changed';
  row: number;
  /** The last row that it may be; the same as `row` when it is known exactly. */
  lastRow: number;
}

export interface LogCheckInput {
  /** Signed heads, from wherever they were kept; each is checked. */
  heads: readonly Pick<TreeHead, 'size' | 'root'>[];
  /** Hash of each row as the log's tiles have it; without them a fault is only known to lie between two heads. */
  leaves?: readonly Hash[];
}

/** Holds the rows of an export, one after the other, against signed heads and the log's own hashes. */
export class LogCheck {
  private readonly heads: readonly Pick<TreeHead, 'size' | 'root'>[];
  private readonly leaves: readonly Hash[] | null;
  private readonly tree = new CompactTree();
  private signedFor = 0;
  private removedRows = 0;
  /** What rows say of those before them: that so many were removed. */
  private readonly removals: { row: number; upTo: number }[] = [];
  /** Of the heads: the first one that is not reached yet. */
  private next: number;

  constructor({ heads, leaves }: LogCheckInput) {
    this.heads = [...heads].sort((a, b) => a.size - b.size);
    this.leaves = leaves ?? null;
    // The empty log says nothing.
    this.next = this.heads.filter(({ size }) => size === 0).length;
  }

  /** Rows taken so far that a head signs for. */
  get verified(): number {
    return this.signedFor;
  }

  get rows(): number {
    return this.tree.size;
  }

  /** The first so many rows are only there as hashes. */
  get removed(): number {
    return this.removedRows;
  }

  /**
   * Takes the next row as one that is not kept any more: by the hash that the log has of it. Only the first rows may be
   * such, and a later one has to say so.
   */
  addRemoved(): LogFault | null {
    const row = this.tree.size + 1;
    const leaf = this.leaves?.[row - 1];
    if (leaf === undefined || this.removedRows < this.tree.size) return { kind: 'removed', row, lastRow: row };
    this.tree.append(leaf);
    this.removedRows = row;
    return this.checkHeads();
  }

  /** The row that was taken last says that those up to `upTo` were to be removed. */
  allowRemoved(upTo: number): void {
    this.removals.push({ row: this.tree.size, upTo });
  }

  /** Takes the next row: its entry, and the number that it says it has. Nothing may be added after a fault. */
  add(entry: string, sequence: number | null): LogFault | null {
    const row = this.tree.size + 1;
    const leaf = leafHash(entry);
    const wanted = this.leaves?.[row - 1];
    if (sequence !== row || (wanted !== undefined && !wanted.equals(leaf))) return rowFault(row, sequence);
    this.tree.append(leaf);
    return this.checkHeads();
  }

  /** After the last row. */
  end(): LogFault | null {
    const lastRow = this.heads.at(-1)?.size ?? 0;
    if (lastRow > this.tree.size) return { kind: 'cut_off', row: this.tree.size + 1, lastRow };
    // What no head signs for, anybody could have written.
    const signed = this.removals.filter(({ row }) => row <= this.signedFor).map(({ upTo }) => upTo);
    const allowed = Math.max(0, ...signed);
    return this.removedRows > allowed ? { kind: 'removed', row: allowed + 1, lastRow: this.removedRows } : null;
  }

  private checkHeads(): LogFault | null {
    const due: Pick<TreeHead, 'size' | 'root'>[] = [];
    for (let head = this.heads[this.next]; head?.size === this.tree.size; head = this.heads[this.next]) {
      due.push(head);
      this.next += 1;
    }
    if (due.length === 0) return null;
    const root = this.tree.root();
    if (due.every((head) => head.root.equals(root))) {
      this.signedFor = this.tree.size;
      return null;
    }
    // Every row agrees with the tiles, and the tiles do not agree with what was signed: they were changed with them.
    const kind = this.leaves === null ? 'edited' : 'log_changed';
    return { kind, row: this.signedFor + 1, lastRow: this.tree.size };
  }
}

function rowFault(row: number, sequence: number | null): LogFault {
  if (sequence === null || sequence === row) return { kind: 'edited', row, lastRow: row };
  return { kind: sequence > row ? 'removed' : 'reordered', row, lastRow: row };
}
