import { open, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  LogCheck,
  openCheckpoint,
  parseVerifierKey,
  splitCheckpoints,
  splitHashes,
  type LogFault,
  type TreeHead,
} from '@countersign/transparency-log';
import { Command } from 'commander';
import { EXIT, Failure, usageFailure } from '../failure';
import { formatFields, outputOption, paint, print, type Output } from '../format';
import type { Terminal } from '../terminal';
import { EXPORT_FILES } from './audit-export';

interface Options {
  key?: string;
  checkpoints?: string;
  output?: Output;
}

interface Report {
  ok: boolean;
  events: number;
  /** Events that a checkpoint signs for. */
  verified: number;
  checkpoints: number;
  /** The key came with the export: whoever forged one could have forged the other. */
  isOwnKey: boolean;
  fault: LogFault | null;
}

const OWN_KEY = 'note: the key is the one in the export; give --key from elsewhere to be sure whose word this is\n';

/** `countersign audit verify`: offline; nothing is asked of the server whose word is in question. */
export const verifyCommand = (terminal: Terminal): Command =>
  new Command('verify')
    .description('check an export against signed checkpoints, without the server')
    .argument('<folder>', 'made by `countersign audit export`')
    .option('--key <key>', 'the key of the log, as one line or a file with it; keep it elsewhere than the export')
    .option('--checkpoints <file>', 'checkpoints that a witness kept, beside the one in the export')
    .addOption(outputOption())
    .action(async (folder: string, options: Options) => {
      const report = await verifyExport(resolve(terminal.cwd, folder), terminal.cwd, options);
      print(terminal, options.output, report, () => formatReport(terminal, report));
      if (!report.ok)
        throw new Failure(EXIT.refused, describeFault(report.fault), 'Ask the witnesses, and keep the export.');
    });

async function verifyExport(folder: string, cwd: string, { key, checkpoints }: Options): Promise<Report> {
  const verifier = parseVerifierKey((await readKey(folder, cwd, key)).trim());
  if (verifier === null) throw usageFailure('the key is not the key of a log', 'GET /v1/checkpoint/key has it.');
  const notes = splitCheckpoints(await readText(join(folder, EXPORT_FILES.checkpoint)));
  if (checkpoints !== undefined) notes.push(...splitCheckpoints(await readText(resolve(cwd, checkpoints))));
  const heads = notes.map((note): TreeHead => {
    const opened = openCheckpoint(note, verifier);
    if (opened.ok) return opened.head;
    throw new Failure(EXIT.refused, `a checkpoint is not one of this log: ${opened.reason}`, 'Is it the right key?');
  });
  const check = new LogCheck({ heads, leaves: splitHashes(await read(join(folder, EXPORT_FILES.leaves))) });
  const fault = await checkEntries(join(folder, EXPORT_FILES.entries), check);
  const { verified, rows } = check;
  return { ok: fault === null, events: rows, verified, checkpoints: heads.length, isOwnKey: key === undefined, fault };
}

async function checkEntries(file: string, check: LogCheck): Promise<LogFault | null> {
  const handle = await open(file).catch((error: Error) => {
    throw usageFailure(`cannot read ${file}: ${error.message}`);
  });
  const lines = handle.readLines();
  try {
    for await (const line of lines) {
      const fault = check.add(line, sequenceOf(line));
      if (fault !== null) return fault;
    }
  } finally {
    lines.close();
    await handle.close();
  }
  return check.end();
}

/** The event's `sequence`; null when the line is no event. */
function sequenceOf(line: string): number | null {
  try {
    const { sequence } = JSON.parse(line) as { sequence?: unknown };
    return typeof sequence === 'string' && /^[1-9]\d*$/.test(sequence) ? Number(sequence) : null;
  } catch {
    return null;
  }
}

async function readKey(folder: string, cwd: string, key: string | undefined): Promise<string> {
  if (key === undefined) return readText(join(folder, EXPORT_FILES.key));
  return parseVerifierKey(key) === null ? readText(resolve(cwd, key)) : key;
}

const readText = async (file: string): Promise<string> => (await read(file)).toString();

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw usageFailure(`cannot read ${file}: ${(error as Error).message}`);
  }
}

function formatReport(terminal: Terminal, { ok, events, verified, checkpoints, isOwnKey }: Report): string {
  const result = ok ? paint(terminal, 'green', 'whole') : paint(terminal, 'red', 'NOT what was signed for');
  const fields = formatFields([
    ['events', String(events)],
    ['signed for', String(verified)],
    ['checkpoints', String(checkpoints)],
  ]);
  return `${fields}the trail is ${result}\n${isOwnKey ? OWN_KEY : ''}`;
}

const KINDS: Record<LogFault['kind'], string> = {
  edited: 'was edited',
  removed: 'was removed',
  reordered: 'is not in its place',
  cut_off: 'and those after it were cut off',
  log_changed: 'was changed, and the log with it',
};

function describeFault(fault: LogFault | null): string {
  if (fault === null) return 'the trail is whole';
  const { kind, row, lastRow } = fault;
  if (kind === 'cut_off') return `event ${row} ${KINDS[kind]}: a checkpoint signs for ${lastRow}`;
  return row === lastRow ? `event ${row} ${KINDS[kind]}` : `one of the events ${row} to ${lastRow} ${KINDS[kind]}`;
}
