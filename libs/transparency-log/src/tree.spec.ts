import fc from 'fast-check';
import { CompactTree } from './compact-tree';
import { consistencyPath, inclusionPath } from './proofs';
import { edgeNodes, nodesOf, type Range } from './ranges';
import { emptyRoot, foldHashes, leafHash, nodeHash, type Hash } from './tree-hash';
import { hashesAtLevel, parseTilePath, subtreeHash, tileOf, tilePath, TILE_WIDTH } from './tiles';
import { verifyConsistency, verifyInclusion } from './verify-proof';

/** The tree hash as RFC 6962 §2.1 defines it, word for word. */
function definedRoot(entries: readonly Uint8Array[]): Hash {
  const [only] = entries;
  if (only === undefined) return emptyRoot();
  if (entries.length === 1) return leafHash(only);
  let split = 1;
  while (split * 2 < entries.length) split *= 2;
  return nodeHash(definedRoot(entries.slice(0, split)), definedRoot(entries.slice(split)));
}

const entriesOf = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) => Buffer.from(`entry ${index}`));

function treeOf(entries: readonly Uint8Array[]): CompactTree {
  const tree = new CompactTree();
  entries.forEach((entry) => tree.append(leafHash(entry)));
  return tree;
}

/** The hash that stands in a proof, made from full subtrees as a log would that stores only those. */
const rangeHash = (entries: readonly Uint8Array[], range: Range): Hash =>
  foldHashes(
    nodesOf(range).map(({ level, index }) => definedRoot(entries.slice(index * 2 ** level, (index + 1) * 2 ** level))),
  );

/** Entries and roots of the test vectors of Certificate Transparency's reference implementations. */
const PUBLISHED: [entries: string[], root: string][] = [
  [[], 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  [[''], '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
  [['', '00'], 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'],
  [['', '00', '10'], 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'],
  [['', '00', '10', '2021'], 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'],
  [['', '00', '10', '2021', '3031'], '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4'],
  [
    ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'],
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ],
];

describe('the tree', () => {
  it.each(PUBLISHED)('has the published root over %j', (entries, root) => {
    expect(
      treeOf(entries.map((entry) => Buffer.from(entry, 'hex')))
        .root()
        .toString('hex'),
    ).toBe(root);
  });

  it('has at every size the root that RFC 6962 defines, and goes on from its edge alone', () => {
    const entries = entriesOf(70);
    for (let size = 0; size <= entries.length; size += 1) {
      const part = entries.slice(0, size);
      expect(treeOf(part).root()).toEqual(definedRoot(part));
      const resumed = new CompactTree(
        size,
        edgeNodes(size).map(({ level, index }) =>
          definedRoot(entries.slice(index * 2 ** level, (index + 1) * 2 ** level)),
        ),
      );
      entries.slice(size).forEach((entry) => resumed.append(leafHash(entry)));
      expect(resumed.root()).toEqual(definedRoot(entries));
    }
  });

  it('is not resumed from an edge of another size', () => {
    expect(() => new CompactTree(3, [leafHash('a')])).toThrow(RangeError);
  });
});

describe('an inclusion proof', () => {
  const entries = entriesOf(40);

  it('shows every entry of every tree, and nothing else', () => {
    for (let size = 1; size <= entries.length; size += 1) {
      const part = entries.slice(0, size);
      const root = definedRoot(part);
      part.forEach((entry, index) => {
        const proof = inclusionPath(index, size).map((range) => rangeHash(entries, range));
        const claim = { leaf: leafHash(entry), index, size, root, proof };
        expect(verifyInclusion(claim)).toBe(true);
        expect(verifyInclusion({ ...claim, leaf: leafHash('other') })).toBe(false);
        expect(verifyInclusion({ ...claim, index: index + 1 })).toBe(false);
        expect(verifyInclusion({ ...claim, proof: [...proof, root] })).toBe(false);
        if (size > 1) expect(verifyInclusion({ ...claim, proof: proof.slice(1) })).toBe(false);
      });
    }
  });

  it.each([
    [3, 3],
    [-1, 3],
    [0.5, 3],
    [0, 2 ** 53],
  ])('is refused for entry %d of %d', (index, size) => {
    expect(() => inclusionPath(index, size)).toThrow(RangeError);
    const [leaf, root] = [leafHash(''), leafHash('')];
    expect(verifyInclusion({ leaf, index, size, root, proof: [] })).toBe(false);
  });
});

describe('a consistency proof', () => {
  const entries = entriesOf(40);

  it('shows that each tree is the beginning of each later one, and never of another', () => {
    for (let second = 1; second <= entries.length; second += 1) {
      const secondRoot = definedRoot(entries.slice(0, second));
      for (let first = 1; first < second; first += 1) {
        const firstRoot = definedRoot(entries.slice(0, first));
        const proof = consistencyPath(first, second).map((range) => rangeHash(entries, range));
        const claim = { first, second, firstRoot, secondRoot, proof };
        expect(verifyConsistency(claim)).toBe(true);
        expect(verifyConsistency({ ...claim, firstRoot: leafHash('cut') })).toBe(false);
        expect(verifyConsistency({ ...claim, secondRoot: leafHash('edited') })).toBe(false);
        expect(verifyConsistency({ ...claim, proof: proof.slice(1) })).toBe(false);
        expect(verifyConsistency({ ...claim, proof: [...proof, firstRoot] })).toBe(false);
      }
    }
  });

  it('is empty for the same tree and from the empty one, and there is none backwards', () => {
    const root = definedRoot(entries);
    expect(consistencyPath(40, 40)).toEqual([]);
    expect(verifyConsistency({ first: 40, second: 40, firstRoot: root, secondRoot: root, proof: [] })).toBe(true);
    expect(verifyConsistency({ first: 40, second: 40, firstRoot: root, secondRoot: leafHash(''), proof: [] })).toBe(
      false,
    );
    expect(verifyConsistency({ first: 0, second: 40, firstRoot: emptyRoot(), secondRoot: root, proof: [] })).toBe(true);
    expect(() => consistencyPath(41, 40)).toThrow(RangeError);
    expect(verifyConsistency({ first: 41, second: 40, firstRoot: root, secondRoot: root, proof: [] })).toBe(false);
  });
});

describe('tiles', () => {
  it.each([
    [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
    [{ level: 0, index: 1234067, width: 256 }, 'tile/0/x001/x234/067'],
    [{ level: 1, index: 5, width: 17 }, 'tile/1/005.p/17'],
    [{ level: 'entries' as const, index: 1000, width: 256 }, 'tile/entries/x001/000'],
  ])('%j is found at %s', (tile, path) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  it.each([
    'tile/0/1',
    'tile/0/0001',
    'tile/0/x000/001',
    'tile/0/001.p/0',
    'tile/0/001.p/256',
    'tile/0/001.p/007',
    'tile/7/000',
    'tile/a/000',
    'tile/0/x999/x999/x999/x999/x999/999',
    '/tile/0/000',
    'tile/0/../000',
    'tile/0/000/',
  ])('%s is the place of no tile', (path) => {
    expect(parseTilePath(path)).toBeNull();
  });

  it('hold every full subtree of a tree: one tile of hashes gives each node that a proof needs', () => {
    const leaves = entriesOf(1_000).map((entry) => leafHash(entry));
    const levelOne = Array.from({ length: hashesAtLevel(1_000, 1) }, (_, tile) =>
      subtreeHash(leaves.slice(tile * TILE_WIDTH, (tile + 1) * TILE_WIDTH)),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.nat(999), (size, index) => {
        fc.pre(index < size);
        for (const node of inclusionPath(index, size).flatMap(nodesOf)) {
          const { tile, from, to } = tileOf(node);
          const hashes = tile.level === 0 ? leaves : levelOne;
          const wanted = leaves.slice(node.index * 2 ** node.level, (node.index + 1) * 2 ** node.level);
          expect(subtreeHash(hashes.slice(tile.index * TILE_WIDTH + from, tile.index * TILE_WIDTH + to))).toEqual(
            subtreeHash(wanted),
          );
        }
      }),
    );
  });
});
