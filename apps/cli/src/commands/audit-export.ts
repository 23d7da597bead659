import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openCheckpoint, parseVerifierKey, tilePath, TILE_WIDTH, type Tile } from '@countersign/transparency-log';
import { Command } from 'commander';
import { callForBytes } from '../api';
import { EXIT, Failure } from '../failure';
import type { Terminal } from '../terminal';

/** Files of an export: one event in a line, the hash of each, the signed head, the key that signed it. */
export const EXPORT_FILES = { entries: 'entries.ndjson', leaves: 'leaves', checkpoint: 'checkpoint', key: 'key' };

/** Tiles that are fetched at the same time. */
const AT_ONCE = 8;

/** `countersign audit export`: the whole trail as it was signed, to be kept and verified elsewhere. */
export const exportCommand = (terminal: Terminal): Command =>
  new Command('export')
    .description('write the trail, its log and its newest checkpoint into a folder')
    .argument('<folder>')
    .action(async (folder: string) => {
      const target = resolve(terminal.cwd, folder);
      const size = await exportLog(terminal, target);
      terminal.write(`exported ${size} events to ${target}\nnext  countersign audit verify ${folder}\n`);
    });

async function exportLog(terminal: Terminal, folder: string): Promise<number> {
  const key = (await callForBytes(terminal, { path: '/v1/checkpoint/key' })).toString();
  const checkpoint = (await callForBytes(terminal, { path: '/v1/checkpoint' })).toString();
  const verifier = parseVerifierKey(key.trim());
  const opened = verifier && openCheckpoint(checkpoint, verifier);
  if (!opened?.ok) throw new Failure(EXIT.refused, 'the checkpoint is not signed with the key that the server names');
  const { size } = opened.head;
  const path = (file: keyof typeof EXPORT_FILES): string => join(folder, EXPORT_FILES[file]);
  await mkdir(folder, { recursive: true });
  await Promise.all([writeFile(path('entries'), ''), writeFile(path('leaves'), '')]);
  const count = Math.ceil(size / TILE_WIDTH);
  for (let index = 0; index < count; index += AT_ONCE) {
    const indices = Array.from({ length: Math.min(AT_ONCE, count - index) }, (_, offset) => index + offset);
    const tiles = await Promise.all(indices.map((one) => fetchTiles(terminal, one, size)));
    await appendFile(path('entries'), tiles.flatMap(({ entries }) => entries.map((entry) => `${entry}\n`)).join(''));
    await appendFile(path('leaves'), Buffer.concat(tiles.map(({ leaves }) => leaves)));
    if (terminal.isTty) terminal.writeError(`\r${Math.min(size, (index + AT_ONCE) * TILE_WIDTH)} of ${size} events`);
  }
  if (terminal.isTty) terminal.writeError('\n');
  await Promise.all([writeFile(path('checkpoint'), checkpoint), writeFile(path('key'), key)]);
  return size;
}

async function fetchTiles(terminal: Terminal, index: number, size: number) {
  const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
  const fetchTile = (level: Tile['level']) =>
    callForBytes(terminal, { path: `/v1/${tilePath({ level, index, width })}` });
  const [bundle, leaves] = await Promise.all([fetchTile('entries'), fetchTile(0)]);
  return { entries: splitBundle(bundle), leaves };
}

/** Each entry stands after its length in two bytes. */
function splitBundle(bundle: Buffer): string[] {
  const entries: string[] = [];
  for (let at = 0; at + 2 <= bundle.length;) {
    const end = at + 2 + bundle.readUInt16BE(at);
    entries.push(bundle.toString('utf8', at + 2, end));
    at = end;
  }
  return entries;
}
