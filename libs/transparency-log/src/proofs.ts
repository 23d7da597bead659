import { isSize, splitOf, type Range } from './ranges';

/**
 * The subtrees whose hashes prove that the entry at `index` is in the tree of `size`, from the leaf upwards
 * (RFC 6962 §2.1.1). Throws RangeError for an entry that the tree does not have.
 */
export function inclusionPath(index: number, size: number): Range[] {
  if (!isSize(index) || !isSize(size) || index >= size) throw new RangeError(`no entry ${index} in a tree of ${size}`);
  const path: Range[] = [];
  let range = { from: 0, to: size };
  while (range.to - range.from > 1) {
    const middle = range.from + splitOf(range.to - range.from);
    const [left, right] = [
      { from: range.from, to: middle },
      { from: middle, to: range.to },
    ];
    path.unshift(index < middle ? right : left);
    range = index < middle ? left : right;
  }
  return path;
}

/**
 * The subtrees whose hashes prove that the tree of `first` entries is the beginning of that of `second`
 * (RFC 6962 §2.1.2). Empty when either says nothing about the other: the same tree, or an empty one.
 */
export function consistencyPath(first: number, second: number): Range[] {
  if (!isSize(first) || !isSize(second) || first > second) throw new RangeError(`${first} is not before ${second}`);
  if (first === 0 || first === second) return [];
  const path: Range[] = [];
  let range = { from: 0, to: second };
  while (range.to !== first) {
    const middle = range.from + splitOf(range.to - range.from);
    const [left, right] = [
      { from: range.from, to: middle },
      { from: middle, to: range.to },
    ];
    path.unshift(first <= middle ? right : left);
    range = first <= middle ? left : right;
  }
  // The first tree as a whole is what the verifier has already.
  return range.from === 0 ? path : [range, ...path];
}
