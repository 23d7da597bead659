import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  openCheckpoint,
  parseVerifierKey,
  splitEntries,
  tilePath,
  TILE_WIDTH,
  type Tile,
} from '@countersign/transparency-log';
import { Command, Option } from 'commander';
import { callForBytes } from '../api';
import { exportLines, type LinesOptions } from '../export-lines';
import { EXIT, Failure, usageFailure } from '../failure';
import type { Terminal } from '../terminal';

/** Files of an export: one event in a line, the hash of each, the signed head, the key that signed it. */
export const EXPORT_FILES = { entries: 'entries.ndjson', leaves: 'leaves', checkpoint: 'checkpoint', key: 'key' };

/** Tiles that are fetched at the same time. */
const AT_ONCE = 8;

interface Options extends Partial<LinesOptions> {
  output?: string;
}

/** `countersign audit export`: the whole trail as it was signed, or with `--format` events for other systems. */
export const exportCommand = (terminal: Terminal): Command =>
  new Command('export')
    .description('write the trail, its log and its newest checkpoint into a folder, or events into a file')
    .argument('[folder]', 'for an export that can be verified')
    .addOption(new Option('--format <format>', 'events for other systems instead').choices(['ndjson', 'ocsf']))
    .option('--output <file>', 'where events in that format go')
    .option('--since <time>', 'with --format: from this time on (RFC 3339)')
    .option('--until <time>', 'with --format: up to this time (RFC 3339)')
    .action(async (folder: string | undefined, { format, output, ...span }: Options) => {
      if (format === undefined) return exportToVerify(terminal, folder, { output, ...span });
      if (output === undefined || folder !== undefined)
        throw usageFailure('--format needs --output FILE, and no folder', 'What can be verified has no --format.');
      const count = await exportLines(terminal, resolve(terminal.cwd, output), { format, ...span });
      terminal.write(`exported ${count} events to ${resolve(terminal.cwd, output)}\n`);
    });

async function exportToVerify(terminal: Terminal, folder: string | undefined, others: object): Promise<void> {
  const isMixed = Object.values(others).some((value) => value !== undefined);
  if (folder === undefined || isMixed)
    throw usageFailure('give a folder alone, or --format and --output', 'countersign audit export FOLDER');
  const target = resolve(terminal.cwd, folder);
  const count = await exportLog(terminal, target);
  terminal.write(`exported ${count} events to ${target}\nnext  countersign audit verify ${folder}\n`);
}

/** Resolves with how many events there are; of those that retention removed, the line is empty. */
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
  let events = 0;
  for (let index = 0; index < count; index += AT_ONCE) {
    const indices = Array.from({ length: Math.min(AT_ONCE, count - index) }, (_, offset) => index + offset);
    const tiles = await Promise.all(indices.map((one) => fetchTiles(terminal, one, size)));
    await appendFile(path('entries'), tiles.flatMap(({ entries }) => entries.map((entry) => `${entry}\n`)).join(''));
    events += tiles.flatMap(({ entries }) => entries).filter((entry) => entry !== '').length;
    await appendFile(path('leaves'), Buffer.concat(tiles.map(({ leaves }) => leaves)));
    if (terminal.isTty) terminal.writeError(`\r${Math.min(size, (index + AT_ONCE) * TILE_WIDTH)} of ${size} events`);
  }
  if (terminal.isTty) terminal.writeError('\n');
  await Promise.all([writeFile(path('checkpoint'), checkpoint), writeFile(path('key'), key)]);
  return events;
}

async function fetchTiles(terminal: Terminal, index: number, size: number) {
  const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
  const fetchTile = (level: Tile['level']) =>
    callForBytes(terminal, { path: `/v1/${tilePath({ level, index, width })}` });
  const [bundle, leaves] = await Promise.all([fetchTile('entries'), fetchTile(0)]);
  return { entries: splitEntries(bundle), leaves };
}
