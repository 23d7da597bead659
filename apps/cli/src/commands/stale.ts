import type { StaleAnswer, StaleItem } from '@countersign/contracts';
import { Command, InvalidArgumentError } from 'commander';
import { callApi } from '../api';
import { formatTable, outputOption, paint, print, type Output } from '../format';
import type { Terminal } from '../terminal';

interface Options {
  days: number;
  output?: Output;
}

/** `countersign stale`: trust that nobody uses. */
export const staleCommand = (terminal: Terminal): Command =>
  new Command('stale')
    .description('list issuers, roles and statements that were of no use for so many days')
    .option('--days <n>', 'days without a use', readDays, 90)
    .addOption(outputOption())
    .action(async ({ days, output }: Options) => {
      const answer = await callApi<StaleAnswer>(terminal, { path: '/v1/stale', query: { days: String(days) } });
      print(terminal, output, answer, () => formatStale(terminal, answer));
    });

function readDays(text: string): number {
  const days = Number(text);
  if (/^\d+$/.test(text) && days >= 1 && days <= 3_650) return days;
  throw new InvalidArgumentError('give a whole number from 1 to 3650');
}

/** One table of everything, and since when uses are known. */
export function formatStale(terminal: Pick<Terminal, 'isTty' | 'env'>, answer: StaleAnswer): string {
  const { issuers, roles, statements, counts, days, recordedSince } = answer;
  const rows = [
    ...issuers.map((item) => ['issuer', item.name, ...timesOf(item)]),
    ...roles.map((item) => [item.shadow ? 'shadow role' : 'role', item.name, ...timesOf(item)]),
    ...statements.map((item) => ['statement', `${item.policy}: ${item.sid ?? '(no sid)'}`, ...timesOf(item)]),
  ];
  const more = counts.issuers + counts.roles + counts.statements - rows.length;
  const table = formatTable(['kind', 'name', 'last used', 'created'], rows);
  const left = more > 0 ? `and ${more} more\n` : '';
  const since = paint(terminal, 'dim', `uses are known since ${recordedSince}`);
  return `${table || `everything was of use within ${days} days\n`}${left}\n${since}\n`;
}

const timesOf = ({ lastUsedAt, createdAt }: StaleItem): string[] => [lastUsedAt ?? 'never', createdAt];
