import type { Node } from './ranges';
import { nodeHash, type Hash } from './tree-hash';

/** Hashes of a full tile, and levels of the tree that one tile stands for (C2SP tlog-tiles). */
export const TILE_WIDTH = 256;
export const TILE_HEIGHT = 8;

/** A run of up to 256 hashes of one level, the `index`-th from the left. `entries`: the entries themselves. */
export interface Tile {
  level: number | 'entries';
  index: number;
  /** 1 to 256. */
  width: number;
}

/** Its place below the log's address: `tile/0/x001/234.p/5`. */
export function tilePath({ level, index, width }: Tile): string {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0');
  const groups = digits.match(/\d{3}/g) ?? [];
  const place = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${place}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const TILE_PATH = /^tile\/(?:([0-6])|entries)\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/;

/** Reads such a place; null when it is none or not in its one form. */
export function parseTilePath(path: string): Tile | null {
  const match = TILE_PATH.exec(path);
  if (match === null) return null;
  const [, level, place = '', width] = match;
  const tile: Tile = {
    level: level === undefined ? 'entries' : Number(level),
    index: Number(place.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  return tile.width > 0 && Number.isSafeInteger(tile.index) && tilePath(tile) === path ? tile : null;
}

/** How many hashes the tree of `size` has at a level of tiles; the last tile of the level may be a part of one. */
export const hashesAtLevel = (size: number, level: number): number => Math.floor(size / TILE_WIDTH ** level);

/** The tile of hashes that a full subtree is made from, and where within it. */
export function tileOf({ level, index }: Node): {
  tile: Pick<Tile, 'index'> & { level: number };
  from: number;
  to: number;
} {
  const height = level % TILE_HEIGHT;
  const first = index * 2 ** height;
  const start = first % TILE_WIDTH;
  const tile = { level: Math.floor(level / TILE_HEIGHT), index: Math.floor(first / TILE_WIDTH) };
  return { tile, from: start, to: start + 2 ** height };
}

const HASH_BYTES = 32;

/** The hashes that stand one after the other in a tile of hashes. */
export const splitHashes = (bytes: Buffer): Hash[] =>
  Array.from({ length: Math.floor(bytes.length / HASH_BYTES) }, (_, index) =>
    bytes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES),
  );

/** A tile of entries: each after its length in two bytes. */
export const joinEntries = (entries: readonly string[]): Buffer =>
  Buffer.concat(
    entries.flatMap((entry) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(Buffer.byteLength(entry));
      return [length, Buffer.from(entry)];
    }),
  );

/** The entries of such a tile. */
export function splitEntries(bundle: Buffer): string[] {
  const entries: string[] = [];
  for (let at = 0; at + 2 <= bundle.length;) {
    const end = at + 2 + bundle.readUInt16BE(at);
    entries.push(bundle.toString('utf8', at + 2, end));
    at = end;
  }
  return entries;
}

/** Hash of a full subtree of 2^n hashes. */
export function subtreeHash(hashes: readonly Hash[]): Hash {
  let row = hashes;
  while (row.length > 1) {
    row = Array.from({ length: row.length / 2 }, (_, pair) =>
      nodeHash(row[2 * pair] as Hash, row[2 * pair + 1] as Hash),
    );
  }
  if (row[0] === undefined) throw new RangeError('a subtree has at least one entry');
  return row[0];
}
