import { foldHashes, nodeHash, type Hash } from './tree-hash';

/**
 * A Merkle tree of which only the right edge is kept: enough to append, and to know the root (RFC 6962 §2.1).
 * A million entries cost twenty hashes of memory.
 */
export class CompactTree {
  /** Full subtrees from left to right, one for each bit that is set in the size, largest first. */
  private readonly edge: Hash[];

  /** `edge` as `edgeNodes(size)` of an earlier tree names it; nothing for a new tree. */
  constructor(
    private entries = 0,
    edge: readonly Hash[] = [],
  ) {
    if (edge.length !== bitsSet(entries)) throw new RangeError(`a tree of ${entries} has another edge`);
    this.edge = [...edge];
  }

  get size(): number {
    return this.entries;
  }

  append(leaf: Hash): void {
    let hash = leaf;
    // A carry, as in binary addition: two subtrees of one size become one of twice the size.
    for (let rest = this.entries; rest % 2 === 1; rest = (rest - 1) / 2) hash = nodeHash(this.edge.pop() as Hash, hash);
    this.edge.push(hash);
    this.entries += 1;
  }

  root(): Hash {
    return foldHashes(this.edge);
  }
}

function bitsSet(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}
