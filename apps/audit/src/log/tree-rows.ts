import { byteaArray } from '@countersign/postgres';
import {
  canonicalJson,
  CompactTree,
  edgeNodes,
  foldHashes,
  leafHash,
  nodesOf,
  splitHashes,
  subtreeHash,
  tileOf,
  TILE_WIDTH,
  type Hash,
  type Node,
  type Range,
} from '@countersign/transparency-log';
import type { EntityManager } from 'typeorm';
import type { CloudEvent } from '@countersign/contracts';
import { recordedEvent } from '../trail/recorded-event';

/** Of `audit.event`. */
interface EntryRow {
  sequence: string;
  event: CloudEvent;
}

/** What stands for an event in the log: its canonical JSON with commitments in place of personal data. */
const entryOf = ({ event, sequence }: EntryRow): string => canonicalJson(recordedEvent(event, sequence));

/** Entries `from` up to and without `to`, as far as they are in the trail; entry 0 is the event with sequence 1. */
export async function readEntries(manager: EntityManager, { from, to }: Range): Promise<string[]> {
  const rows = await manager.query<EntryRow[]>(
    'SELECT sequence, event FROM audit.event WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence',
    [from, to],
  );
  return rows.map(entryOf);
}

/** The hash of each such entry as it was when it was stored; made now of those that were stored without. */
export async function readStoredHashes(manager: EntityManager, { from, to }: Range): Promise<Hash[]> {
  const rows = await manager.query<(Omit<EntryRow, 'event'> & { leaf: Hash | null; event: CloudEvent | null })[]>(
    `SELECT sequence, leaf, CASE WHEN leaf IS NULL THEN event END AS event FROM audit.event
     WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence`,
    [from, to],
  );
  return rows.map(({ sequence, leaf, event }) => leaf ?? leafHash(entryOf({ sequence, event: event as CloudEvent })));
}

/** Hashes `from` up to and without `to` of one level of tiles; all of them within one tile. */
export async function readHashes(manager: EntityManager, level: number, { from, to }: Range): Promise<Hash[]> {
  if (from >= to) return [];
  if (level > 0) {
    const rows = await manager.query<{ root: Hash }[]>(
      'SELECT root FROM audit.tile WHERE level = $1 AND index >= $2 AND index < $3 ORDER BY index',
      [level - 1, from, to],
    );
    return rows.map(({ root }) => root);
  }
  const index = Math.floor(from / TILE_WIDTH);
  const sql = 'SELECT hashes FROM audit.tile WHERE level = 0 AND index = $1';
  const [tile] = await manager.query<{ hashes: Buffer }[]>(sql, [index]);
  if (tile === undefined) return readLeaves(manager, { from, to });
  return splitHashes(tile.hashes).slice(from - index * TILE_WIDTH, to - index * TILE_WIDTH);
}

/** Of entries whose tile is not full; of those that retention removed, the hash was kept. */
async function readLeaves(manager: EntityManager, { from, to }: Range): Promise<Hash[]> {
  const sql = 'SELECT hash FROM audit.leaf WHERE index >= $1 AND index < $2 ORDER BY index';
  const kept = (await manager.query<{ hash: Hash }[]>(sql, [from, to])).map(({ hash }) => hash);
  const entries = await readEntries(manager, { from: from + kept.length, to });
  return [...kept, ...entries.map((entry) => leafHash(entry))];
}

/** Keeps the hashes of entries up to and without `to` that are in no full tile: their events are about to go. */
export async function keepLeaves(manager: EntityManager, to: number): Promise<void> {
  const from = to - (to % TILE_WIDTH);
  const sql = 'SELECT 1 FROM audit.tile WHERE level = 0 AND index = $1';
  const tiles = await manager.query<unknown[]>(sql, [from / TILE_WIDTH]);
  if (tiles.length > 0) return;
  const leaves = await readLeaves(manager, { from, to });
  await manager.query(
    `INSERT INTO audit.leaf (index, hash) SELECT $1::bigint + place - 1, hash
     FROM unnest($2::bytea[]) WITH ORDINALITY AS l (hash, place) ON CONFLICT (index) DO NOTHING`,
    [from, leaves],
  );
}

/** The hash of a range of a proof. Throws RangeError when the trail does not have all of it. */
export async function readRange(manager: EntityManager, range: Range): Promise<Hash> {
  const hashes: Hash[] = [];
  for (const node of nodesOf(range)) hashes.push(await readNode(manager, node));
  return foldHashes(hashes);
}

async function readNode(manager: EntityManager, node: Node): Promise<Hash> {
  const { tile, from, to } = tileOf(node);
  const start = tile.index * TILE_WIDTH;
  const hashes = await readHashes(manager, tile.level, { from: start + from, to: start + to });
  if (hashes.length !== to - from) throw new RangeError('the trail lacks entries that the log has');
  return subtreeHash(hashes);
}

/** The tree of the first `size` entries, to go on from. */
export async function readTree(manager: EntityManager, size: number): Promise<CompactTree> {
  const edge: Hash[] = [];
  for (const node of edgeNodes(size)) edge.push(await readNode(manager, node));
  return new CompactTree(size, edge);
}

/** Stores the tiles that are full with these leaves after the first `size`, those of the lowest level first. */
export async function storeFullTiles(manager: EntityManager, size: number, leaves: readonly Hash[]): Promise<void> {
  const grown = size + leaves.length;
  let width = TILE_WIDTH;
  for (let level = 0; width <= grown; level += 1, width *= TILE_WIDTH) {
    const tiles: FullTile[] = [];
    for (let index = Math.floor(size / width); index < Math.floor(grown / width); index += 1) {
      const place = { from: index * TILE_WIDTH, to: (index + 1) * TILE_WIDTH };
      const stored = await readHashes(manager, level, {
        ...place,
        to: level > 0 ? place.to : Math.max(place.from, size),
      });
      const fresh = level > 0 ? [] : leaves.slice(Math.max(0, place.from - size), place.to - size);
      tiles.push({ index, hashes: [...stored, ...fresh] });
    }
    // Before those of the next level, which are made of their roots.
    if (tiles.length > 0) await insertTiles(manager, level, tiles);
  }
}

interface FullTile {
  index: number;
  hashes: Hash[];
}

async function insertTiles(manager: EntityManager, level: number, tiles: readonly FullTile[]): Promise<void> {
  await manager.query(
    `INSERT INTO audit.tile (level, index, hashes, root)
     SELECT $1, index, hashes, root FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) AS t (index, hashes, root)`,
    [
      level,
      tiles.map(({ index }) => index),
      byteaArray(tiles.map(({ hashes }) => Buffer.concat(hashes))),
      byteaArray(tiles.map(({ hashes }) => subtreeHash(hashes))),
    ],
  );
}
