import { CompactTree } from './compact-tree';
import { LogCheck, type LogFault } from './log-check';
import { leafHash, type Hash } from './tree-hash';

const SIZE = 20;
const entries = Array.from({ length: SIZE }, (_, index) => `{"sequence":"${index + 1}"}`);
const leaves = entries.map((entry) => leafHash(entry));
const rootAt = (size: number): Hash => {
  const tree = new CompactTree();
  leaves.slice(0, size).forEach((leaf) => tree.append(leaf));
  return tree.root();
};
const heads = [4, 11, SIZE].map((size) => ({ size, root: rootAt(size) }));

interface Row {
  entry: string;
  sequence: number | null;
}
const rows: Row[] = entries.map((entry, index) => ({ entry, sequence: index + 1 }));

function check(given: readonly Row[], input: ConstructorParameters<typeof LogCheck>[0]): [LogFault | null, number] {
  const log = new LogCheck(input);
  for (const { entry, sequence } of given) {
    const fault = log.add(entry, sequence);
    if (fault !== null) return [fault, log.verified];
  }
  return [log.end(), log.verified];
}

const edited = rows.map((row, index) => (index === 6 ? { ...row, entry: '{"sequence":"7","x":1}' } : row));
const swapped = [...rows.slice(0, 6), rows[7], rows[6], ...rows.slice(8)] as Row[];
const renumbered = swapped.map(({ entry }, index) => ({ entry, sequence: index + 1 }));
const removed = rows.filter((_, index) => index !== 6);
const repeated = [...rows.slice(0, 6), ...rows.slice(5)];

describe('an export held against signed heads', () => {
  it('is whole when every row is the one that was signed for', () => {
    expect(check(rows, { heads, leaves })).toEqual([null, SIZE]);
    expect(check(rows, { heads })).toEqual([null, SIZE]);
  });

  it('counts what no head signs for yet', () => {
    expect(check(rows, { heads: heads.slice(0, 2), leaves })).toEqual([null, 11]);
    expect(check(rows, { heads: [], leaves })).toEqual([null, 0]);
  });

  it.each<[string, Row[], LogFault]>([
    ['an edited row', edited, { kind: 'edited', row: 7, lastRow: 7 }],
    ['a removed row', removed, { kind: 'removed', row: 7, lastRow: 7 }],
    ['rows in another order', swapped, { kind: 'removed', row: 7, lastRow: 7 }],
    ['rows in another order that were given new numbers', renumbered, { kind: 'edited', row: 7, lastRow: 7 }],
    ['a row that is there twice', repeated, { kind: 'reordered', row: 7, lastRow: 7 }],
    ['a row without a number', rows.map((row) => ({ ...row, sequence: null })), { kind: 'edited', row: 1, lastRow: 1 }],
    ['the newest rows cut off', rows.slice(0, 12), { kind: 'cut_off', row: 13, lastRow: SIZE }],
    ['all rows cut off', [], { kind: 'cut_off', row: 1, lastRow: SIZE }],
  ])('names the first row of %s', (_, given, fault) => {
    expect(check(given, { heads, leaves })[0]).toEqual(fault);
  });

  it('knows the rows between two heads when the log itself was changed with the row, or there are no tiles', () => {
    const changed = leaves.map((leaf, index) => (index === 6 ? leafHash(edited[6]?.entry ?? '') : leaf));
    expect(check(edited, { heads, leaves: changed })).toEqual([{ kind: 'log_changed', row: 5, lastRow: 11 }, 4]);
    expect(check(edited, { heads })).toEqual([{ kind: 'edited', row: 5, lastRow: 11 }, 4]);
  });

  it.each<[string, number, { upTo: number; row: number } | null, LogFault | null]>([
    ['as many as a row says', 6, { upTo: 6, row: 9 }, null],
    ['fewer than a row says', 5, { upTo: 6, row: 9 }, null],
    ['more than any row says', 7, { upTo: 6, row: 9 }, { kind: 'removed', row: 7, lastRow: 7 }],
    ['some that no row tells of', 7, null, { kind: 'removed', row: 1, lastRow: 7 }],
    [
      'some that only a row tells of that no head signs for',
      6,
      { upTo: 6, row: 12 },
      { kind: 'removed', row: 1, lastRow: 6 },
    ],
  ])('has lost its first rows: %s', (_, count, removal, fault) => {
    const log = new LogCheck({ heads: heads.slice(0, 2), leaves });
    rows.forEach(({ entry, sequence }, index) => {
      expect(index < count ? log.addRemoved() : log.add(entry, sequence)).toBeNull();
      if (removal?.row === index + 1) log.allowRemoved(removal.upTo);
    });
    expect([log.end(), log.removed]).toEqual([fault, count]);
  });

  it('has lost no rows but the first ones, and none without a hash of them', () => {
    const log = new LogCheck({ heads, leaves });
    rows.slice(0, 6).forEach(({ entry, sequence }) => log.add(entry, sequence));
    expect(log.addRemoved()).toEqual({ kind: 'removed', row: 7, lastRow: 7 });
    expect(new LogCheck({ heads }).addRemoved()).toEqual({ kind: 'removed', row: 1, lastRow: 1 });
  });

  it('is held against every head of one size', () => {
    const forked = { size: 11, root: leafHash('a fork') };
    expect(check(rows, { heads: [...heads, forked], leaves })[0]).toEqual({ kind: 'log_changed', row: 5, lastRow: 11 });
  });
});
