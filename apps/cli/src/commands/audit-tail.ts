import type { RecordedEvent } from '@countersign/contracts';
import { Command } from 'commander';
import { stringify } from 'yaml';
import { eventCells } from '../event-cells';
import { filterQuery, parseLimit, withEventFilters, type EventFilterOptions } from '../event-filters';
import { followEvents } from '../follow-events';
import { outputOption, paint, printable, type Output } from '../format';
import type { Terminal } from '../terminal';
import { parseDuration, untilStopped } from '../until-stopped';

interface Options extends EventFilterOptions {
  for?: number;
  limit?: number;
  output?: Output;
}

/** Columns of a line are this wide at least: what comes next is not known. */
const WIDTHS = [8, 24, 24, 40, 24];

/** `countersign audit tail`: events as they come. */
export const tailCommand = (terminal: Terminal): Command =>
  withEventFilters(new Command('tail').description('follow the trail: one line per event, until Ctrl-C'))
    .option('--for <time>', 'stop after this time: 30s, 5m, 1h', parseDuration)
    .option('--limit <n>', 'stop after so many events', parseLimit)
    .addOption(outputOption())
    .action(async ({ for: forMs, limit = Infinity, output, ...filters }: Options) => {
      await untilStopped(forMs, async ({ signal }) => {
        let count = 0;
        for await (const event of followEvents(terminal, { filters: filterQuery(filters), signal })) {
          terminal.write(lineOf(terminal, event, output));
          count += 1;
          if (count >= limit) break;
        }
      });
    });

/** JSON is one event in a line, for `jq` and the like. */
function lineOf(terminal: Terminal, event: RecordedEvent, output: Output | undefined): string {
  if (output === 'json') return `${JSON.stringify(event)}\n`;
  if (output === 'yaml') return `---\n${stringify(event)}`;
  const cells = eventCells(event).map((cell, column) => printable(cell).padEnd(WIDTHS[column] ?? 0));
  const line = cells.join('  ').trimEnd();
  const { outcome } = event.data;
  if (outcome === 'granted') return `${paint(terminal, 'green', line)}\n`;
  return `${outcome === 'denied' ? paint(terminal, 'red', line) : line}\n`;
}
