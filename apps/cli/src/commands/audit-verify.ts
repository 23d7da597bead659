import { open, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { EventType } from '@countersign/contracts';
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
  /** Events before them that retention removed: only their hashes are there. */
  removed: number;
  /** Events that a checkpoint signs for. */
  verified: number;
  checkpoints: number;
  /** The key came with the export: whoever forged one could have forged the other. */
  isOwnKey: boolean;
  fault: LogFault | null;
}

/** The trail's own word that retention removes events. */
const REMOVAL: EventType = 'dev.countersign.audit.expired.v1';
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
  const { verified, removed, rows } = check;
  const found = {
    ok: fault === null,
    events: rows - removed,
    removed,
    verified: Math.max(0, verified - removed),
    fault,
  };
  return { ...found, checkpoints: heads.length, isOwnKey: key === undefined };
}

async function checkEntries(file: string, check: LogCheck): Promise<LogFault | null> {
  const handle = await open(file).catch((error: Error) => {
    throw usageFailure(`cannot read ${file}: ${error.message}`);
  });
  const lines = handle.readLines();
  try {
    for await (const line of lines) {
      const event = eventOf(line);
      const fault = line === '' ? check.addRemoved() : check.add(line, numberOf(event.sequence));
      if (fault !== null) return fault;
      if (event.type === REMOVAL) check.allowRemoved(numberOf(event.data?.lastSequence) ?? 0);
    }
  } finally {
    lines.close();
    await handle.close();
  }
  return check.end();
}

interface Line {
  type?: unknown;
  sequence?: unknown;
  data?: { lastSequence?: unknown } | null;
}

/** Without members when the line is no event. */
function eventOf(line: string): Line {
  try {
    return (JSON.parse(line) as Line | null) ?? {};
  } catch {
    return {};
  }
}

const numberOf = (sequence: unknown): number | null =>
  typeof sequence === 'string' && /^[1-9]\d*$/.test(sequence) ? Number(sequence) : null;

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

function formatReport(terminal: Terminal, report: Report): string {
  const { ok, events, removed, verified, checkpoints, isOwnKey } = report;
  const result = ok ? paint(terminal, 'green', 'whole') : paint(terminal, 'red', 'NOT what was signed for');
  const fields = formatFields([
    ['events', String(events)],
    ...(removed > 0 ? [['from', `${removed + 1}; those before were removed by retention`] as [string, string]] : []),
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
  if (row === lastRow) return `event ${row} ${KINDS[kind]}`;
  if (kind === 'removed') return `the events ${row} to ${lastRow} were removed, and the trail does not say so`;
  return `one of the events ${row} to ${lastRow} ${KINDS[kind]}`;
}
