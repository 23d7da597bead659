import { isSize } from './ranges';
import { nodeHash, type Hash } from './tree-hash';

export interface InclusionClaim {
  leaf: Hash;
  index: number;
  size: number;
  root: Hash;
  proof: readonly Hash[];
}

/** Whether the proof shows that the leaf is the entry at `index` of the tree with this root (RFC 9162 §2.1.3.2). */
export function verifyInclusion({ leaf, index, size, root, proof }: InclusionClaim): boolean {
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  let [at, hash]: [Edge, Hash] = [{ place: index, last: size - 1 }, leaf];
  for (const sibling of proof) {
    if (at.last === 0) return false;
    const isRight = hasLeftSibling(at);
    hash = isRight ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
    at = above(at, isRight);
  }
  return at.last === 0 && hash.equals(root);
}

export interface ConsistencyClaim {
  first: number;
  second: number;
  firstRoot: Hash;
  secondRoot: Hash;
  proof: readonly Hash[];
}

/** Whether the proof shows that the first tree is the beginning of the second (RFC 9162 §2.1.4.2). */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  const { first, second, firstRoot, secondRoot, proof } = claim;
  if (!isSize(first) || !isSize(second) || first > second) return false;
  if (first === second) return proof.length === 0 && firstRoot.equals(secondRoot);
  return first === 0 ? proof.length === 0 : growsInto(claim);
}

function growsInto({ first, second, firstRoot, secondRoot, proof }: ConsistencyClaim): boolean {
  // A first tree that is full is a subtree of the second: the proof leaves out what the verifier has.
  const [start, ...rest] = isPowerOfTwo(first) ? [firstRoot, ...proof] : proof;
  if (start === undefined) return false;
  let at: Edge = { place: first - 1, last: second - 1 };
  while (at.place % 2 === 1) at = parent(at);
  let [before, after] = [start, start];
  for (const sibling of rest) {
    if (at.last === 0) return false;
    const isRight = hasLeftSibling(at);
    if (isRight) before = nodeHash(sibling, before);
    after = isRight ? nodeHash(sibling, after) : nodeHash(after, sibling);
    at = above(at, isRight);
  }
  return at.last === 0 && before.equals(firstRoot) && after.equals(secondRoot);
}

/** A subtree on the way to the root: its place in its level, and that of the last one there. */
interface Edge {
  place: number;
  last: number;
}

const hasLeftSibling = ({ place, last }: Edge): boolean => place % 2 === 1 || place === last;

const parent = ({ place, last }: Edge): Edge => ({ place: half(place), last: half(last) });

/** One level up, and past the levels at which the subtree on the right edge has no sibling. */
function above(at: Edge, isRight: boolean): Edge {
  let edge = at;
  while (isRight && edge.place % 2 === 0 && edge.place !== 0) edge = parent(edge);
  return parent(edge);
}

const half = (value: number): number => Math.floor(value / 2);

function isPowerOfTwo(value: number): boolean {
  let rest = value;
  while (rest > 1 && rest % 2 === 0) rest /= 2;
  return rest === 1;
}
