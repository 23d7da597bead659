import type { Page, RecordedEvent } from '@countersign/contracts';
import { Command } from 'commander';
import { callApi } from '../api';
import { filterQuery, parseLimit, withEventFilters, type EventFilterOptions } from '../event-filters';
import { eventCells } from '../event-cells';
import { formatTable, outputOption, print, type Output } from '../format';
import type { Terminal } from '../terminal';
import { exportCommand } from './audit-export';
import { showCommand } from './audit-show';
import { tailCommand } from './audit-tail';
import { verifyCommand } from './audit-verify';

interface Options extends EventFilterOptions {
  since?: string;
  until?: string;
  limit: number;
  output?: Output;
}

const PAGE = 500;

/** `countersign audit`: the trail. */
export const auditCommand = (terminal: Terminal): Command =>
  new Command('audit')
    .description('read, follow, export and verify the audit trail')
    .addCommand(listCommand(terminal))
    .addCommand(tailCommand(terminal))
    .addCommand(showCommand(terminal))
    .addCommand(exportCommand(terminal))
    .addCommand(verifyCommand(terminal));

const listCommand = (terminal: Terminal): Command =>
  withEventFilters(new Command('list').description('list events, newest first'))
    .option('--since <time>', 'from this time on (RFC 3339)')
    .option('--until <time>', 'up to this time (RFC 3339)')
    .option('--limit <n>', 'at most so many events', parseLimit, 50)
    .addOption(outputOption())
    .action(async ({ output, ...filters }: Options) => {
      const items = await listEvents(terminal, filters);
      print(terminal, output, { items, nextCursor: null }, () => formatEvents(items));
    });

async function listEvents(terminal: Terminal, { limit, since, until, ...rest }: Options): Promise<RecordedEvent[]> {
  const filters = { ...filterQuery(rest), from: since, to: until };
  const items: RecordedEvent[] = [];
  let cursor: string | undefined;
  do {
    const query = { ...filters, limit: String(Math.min(PAGE, limit - items.length)), cursor };
    const page = await callApi<Page<RecordedEvent>>(terminal, { path: '/v1/events', query });
    items.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && items.length < limit);
  return items;
}

/** A table of events; a sentence when there are none. */
export function formatEvents(items: readonly RecordedEvent[]): string {
  return (
    formatTable(['sequence', 'time', 'event', 'subject', 'roles or reason', 'trace id'], items.map(eventCells)) ||
    'there are no such events\n'
  );
}
