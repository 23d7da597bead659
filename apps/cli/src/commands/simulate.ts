import type { SimulatedChange, SimulationAnswer } from '@countersign/contracts';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { callApi } from '../api';
import { documentsCommand, namedPaths, readDocuments, type DocumentOptions } from '../document-sources';
import { EXIT, Failure } from '../failure';
import { formatTable, outputOption, paint, print, type Output } from '../format';
import { parseDocuments } from '../parse-documents';
import type { Terminal } from '../terminal';

interface Options extends DocumentOptions {
  from?: string;
  to?: string;
  prune?: boolean;
  owner?: string;
  failOnChange?: boolean;
  output?: Output;
}

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** `countersign simulate`: what documents would have changed about the exchanges of the last days. */
export const simulateCommand = (terminal: Terminal): Command =>
  documentsCommand('simulate')
    .description('decide recorded exchanges again, as if documents were applied; change nothing')
    .option('--from <time>', 'from when on: RFC 3339, or as long ago as 12h, 30d, 8w (default 30d)', readTime)
    .option('--to <time>', 'up to when, in the same forms (default now)', readTime)
    .option('--prune', 'as if documents that are not among these were deleted')
    .addOption(new Option('--owner <owner>', 'on whose behalf they would be applied').choices(['api', 'directory']))
    .option('--fail-on-change', 'exit 1 when anything would be newly allowed or newly denied')
    .addOption(outputOption())
    .action(async (paths: string[], { filename, output, failOnChange, ...options }: Options) => {
      const { text, placeOf } = await readDocuments(terminal, namedPaths(paths, filename));
      const answer = await callApi<SimulationAnswer>(terminal, {
        method: 'POST',
        path: '/v1/simulate',
        contentType: 'application/json',
        body: JSON.stringify({ documents: parseDocuments(text), ...options }),
        placeOf,
      });
      print(terminal, output, answer, () => formatSimulation(terminal, answer));
      if (failOnChange) refuseChanges(answer);
    });

function readTime(text: string): string {
  const [, amount, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (amount !== undefined && unit !== undefined)
    return new Date(Date.now() - Number(amount) * (SECONDS[unit] ?? 0) * 1_000).toISOString();
  const time = /^\d{4}-\d\d-\d\d([T ].+)?$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(time))
    throw new InvalidArgumentError('give 30d, 12h and the like, or a time such as 2026-01-31T12:00:00Z');
  return new Date(time).toISOString();
}

/** One line of numbers, then a table for each way in which something changes. */
export function formatSimulation(terminal: Pick<Terminal, 'isTty' | 'env'>, answer: SimulationAnswer): string {
  const { from, to, evaluated, skipped, newlyAllowed, newlyDenied, unchanged, changedGrants } = answer;
  const counts = [
    `${newlyAllowed.count} newly allowed`,
    `${newlyDenied.count} newly denied`,
    `${unchanged.count} unchanged${changedGrants.count > 0 ? ` (${changedGrants.count} by another grant)` : ''}`,
  ];
  const range = paint(terminal, 'dim', `${from} to ${to}, ${skipped} not decided by policy and left out`);
  return [
    `${evaluated} exchanges: ${counts.join(', ')}\n${range}\n`,
    formatChange(paint(terminal, 'yellow', 'newly allowed'), newlyAllowed),
    formatChange(paint(terminal, 'red', 'newly denied'), newlyDenied),
    formatChange('allowed as before, by another grant', changedGrants),
  ].join('');
}

function formatChange(title: string, { groups, groupCount }: SimulatedChange): string {
  if (groups.length === 0) return '';
  const rows = groups.map(({ issuer, subject, count, roles, statements, eventIds }) => [
    String(count),
    issuer,
    subject || '-',
    roles.join(', ') || '-',
    statements.map(({ policy, sid }) => (sid === null ? policy : `${policy}: ${sid}`)).join(', ') || '-',
    eventIds[0] ?? '-',
  ]);
  const more = groupCount > groups.length ? `and ${groupCount - groups.length} more\n` : '';
  const table = formatTable(['count', 'issuer', 'subject', 'roles', 'statements', 'last event'], rows);
  return `\n${title}\n${table}${more}`;
}

function refuseChanges({ newlyAllowed, newlyDenied }: SimulationAnswer): void {
  if (newlyAllowed.count + newlyDenied.count === 0) return;
  const what = `${newlyAllowed.count} newly allowed, ${newlyDenied.count} newly denied`;
  throw new Failure(
    EXIT.refused,
    `decisions would change: ${what}`,
    'Look at one: `countersign explain --event-id …`.',
  );
}
