import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { dirname, resolve } from 'node:path';
import { styleText } from 'node:util';
import { ensureServerBinaries, startLocalIssuer } from '@countersign/testing';
import type { Row } from './figures';
import { judge } from './goals';
import { parseOptions, USAGE, type Options, type PartName } from './options';
import { measureCounts } from './parts/counts';
import { measureDecisions } from './parts/decisions';
import { measureExchanges } from './parts/exchanges';
import { measureFloors } from './parts/floors';
import { measureMemory } from './parts/memory';
import { measurePeer } from './parts/peer';
import { measureScale } from './parts/scale';
import { measureStart } from './parts/start';
import type { Bench } from './rounds';
import { printGoals, printTable, type Paint } from './table';

// `npm run bench`: docs/performance.md#one-exchange.

const MEASURES: Record<PartName, (bench: Bench) => Promise<Row[]>> = {
  counts: measureCounts,
  floors: measureFloors,
  peer: measurePeer,
  us: measureExchanges,
  decisions: measureDecisions,
  start: measureStart,
  scale: measureScale,
  memory: measureMemory,
};

const isColourful = process.stdout.isTTY && !process.env['NO_COLOR'];
const paint: Paint = (colour, text) => (isColourful ? styleText(colour, text) : text);
const [load = 0] = loadavg();
const machine = { cores: availableParallelism(), model: cpus()[0]?.model ?? '', node: process.version, load };

async function run(options: Options): Promise<void> {
  await ensureServerBinaries();
  const issuer = await startLocalIssuer();
  const say = (text: string): void => console.log(paint('dim', `… ${text}`));
  say(`${machine.cores} cores, ${load.toFixed(1)} of them busy before this began`);
  const rows: Row[] = [];
  for (const part of options.parts) {
    const measured = await MEASURES[part]({ issuer, options, say });
    rows.push(...measured);
    console.log(`\n${paint('bold', part)}\n${printTable(measured, paint)}\n`);
  }
  const goals = judge(rows);
  if (goals.length > 0) console.log(`${paint('bold', 'targets')}\n${printGoals(goals, paint)}\n`);
  const file = resolve(options.json);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify({ at: new Date().toISOString(), machine, options, rows, goals }, null, 2));
  console.log(paint('dim', `figures: ${file}`));
  await issuer.stop();
  if (options.check && goals.some(({ met }) => !met)) process.exitCode = 1;
}

/** Whatever was started ends with this process. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

function fail(error: unknown, hint = ''): never {
  console.error(`${error instanceof Error ? error.message : String(error)}${hint}`);
  process.exit(2);
}

function readOptions(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    return fail(error, `\n\n${USAGE}`);
  }
}

run(readOptions()).catch((error: unknown) => fail(error));
