/** Entries `from` up to and without `to`: a subtree whose hash stands in a proof. */
export interface Range {
  from: number;
  to: number;
}

/** A full subtree of 2^level entries, the `index`-th of its level from the left. */
export interface Node {
  level: number;
  index: number;
}

/** Sizes are counts of entries and stay below 2^53. */
export const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** The largest power of two below `size`, where a tree of that size is split (RFC 6962 §2.1). */
export function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

/** The full subtrees that a range of a proof is made of, largest first. */
export function nodesOf({ from, to }: Range): Node[] {
  const nodes: Node[] = [];
  for (let start = from; start < to;) {
    let level = 0;
    while (start % 2 ** (level + 1) === 0 && start + 2 ** (level + 1) <= to) level += 1;
    nodes.push({ level, index: start / 2 ** level });
    start += 2 ** level;
  }
  return nodes;
}

/** The full subtrees at the right edge of a tree, largest first: what `CompactTree` goes on from. */
export const edgeNodes = (size: number): Node[] => nodesOf({ from: 0, to: size });
