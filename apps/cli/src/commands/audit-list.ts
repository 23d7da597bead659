import type { ExchangeEventData, Page, RecordedEvent } from '@countersign/contracts';
import { Command, InvalidArgumentError } from 'commander';
import { callApi } from '../api';
import { formatTable, outputOption, print, type Output } from '../format';
import type { Terminal } from '../terminal';
import { exportCommand } from './audit-export';
import { verifyCommand } from './audit-verify';

interface Options {
  type?: string;
  issuer?: string;
  subject?: string;
  role?: string;
  outcome?: string;
  traceId?: string;
  since?: string;
  until?: string;
  limit: number;
  output?: Output;
}

const PAGE = 500;

/** `countersign audit`: the trail. */
export const auditCommand = (terminal: Terminal): Command =>
  new Command('audit')
    .description('read, export and verify the audit trail')
    .addCommand(listCommand(terminal))
    .addCommand(exportCommand(terminal))
    .addCommand(verifyCommand(terminal));

const listCommand = (terminal: Terminal): Command =>
  new Command('list')
    .description('list events, newest first')
    .option('--type <type>', 'event type, with or without `dev.countersign.` and `.v1`')
    .option('--issuer <name>', 'name of the JwtIssuer')
    .option('--subject <subject>', 'subject of the event, `<issuer>:<sub>`')
    .option('--role <name>')
    .option('--outcome <outcome>', 'granted, denied or voided')
    .option('--trace-id <id>', 'trace id, as in an answer or a log line')
    .option('--since <time>', 'from this time on (RFC 3339)')
    .option('--until <time>', 'up to this time (RFC 3339)')
    .option('--limit <n>', 'at most so many events', parseLimit, 50)
    .addOption(outputOption())
    .action(async ({ output, ...filters }: Options) => {
      const items = await listEvents(terminal, filters);
      print(terminal, output, { items, nextCursor: null }, () => formatEvents(items));
    });

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1) throw new InvalidArgumentError('give a whole number from 1 on');
  return limit;
}

async function listEvents(
  terminal: Terminal,
  { limit, type, since, until, ...rest }: Options,
): Promise<RecordedEvent[]> {
  const filters = { ...rest, type: type === undefined ? undefined : fullType(type), from: since, to: until };
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

/** `exchange.denied` and the whole name mean the same type. */
export const fullType = (type: string): string =>
  type.startsWith('dev.countersign.') ? type : `dev.countersign.${type.replace(/\.v1$/, '')}.v1`;

/** A table of events; a sentence when there are none. */
export function formatEvents(items: readonly RecordedEvent[]): string {
  const rows = items.map(({ time, type, subject, sequence, data }) => {
    const { reason, decision, traceId } = data as Partial<ExchangeEventData>;
    const short = type.replace(/^dev\.countersign\./, '').replace(/\.v1$/, '');
    return [sequence, time, short, subject ?? '-', reason ?? (decision?.roles.join(', ') || '-'), traceId ?? '-'];
  });
  return (
    formatTable(['sequence', 'time', 'event', 'subject', 'roles or reason', 'trace id'], rows) ||
    'there are no such events\n'
  );
}
