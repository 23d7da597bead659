import type { ApplyAnswer, Page, RevisionAnswer, RevisionDetailAnswer } from '@countersign/contracts';
import { Command, InvalidArgumentError } from 'commander';
import { callApi } from '../api';
import { formatFields, formatTable, outputOption, print, type Output } from '../format';
import { formatChanges } from '../format-changes';
import { allowOption } from '../repeatable-options';
import type { Terminal } from '../terminal';
import { formatApplied } from './apply';

const LIMIT = 500;

/** `countersign revisions`: the history of the documents, and the way back. */
export const revisionsCommand = (terminal: Terminal): Command =>
  new Command('revisions')
    .description('look at the history of the documents, and go back in it')
    .addCommand(listCommand(terminal))
    .addCommand(showCommand(terminal))
    .addCommand(restoreCommand(terminal));

const listCommand = (terminal: Terminal): Command =>
  new Command('list')
    .description('list revisions, newest first')
    .option('--limit <n>', `at most so many, ${LIMIT} at the most`, numberOf, 50)
    .addOption(outputOption())
    .action(async ({ limit, output }: { limit: number; output?: Output }) => {
      const query = { limit: String(Math.min(LIMIT, limit)) };
      const page = await callApi<Page<RevisionAnswer>>(terminal, { path: '/v1/revisions', query });
      print(terminal, output, page, () => formatRevisions(page.items));
    });

const showCommand = (terminal: Terminal): Command =>
  new Command('show')
    .description('show who made a revision, when, and what it changed')
    .argument('<revision>', 'its number', numberOf)
    .addOption(outputOption())
    .action(async (revision: number, { output }: { output?: Output }) => {
      const answer = await callApi<RevisionDetailAnswer>(terminal, { path: `/v1/revisions/${revision}` });
      print(terminal, output, answer, () => formatFields(headOf(answer)) + formatChanges(terminal, answer.diff));
    });

interface RestoreOptions {
  dryRun?: boolean;
  allow?: string[];
  output?: Output;
}

const restoreCommand = (terminal: Terminal): Command =>
  new Command('restore')
    .description("bring the API's documents back to what they were after a revision, as a new revision")
    .argument('<revision>', 'its number', numberOf)
    .option('--dry-run', 'say what would change, change nothing')
    .addOption(allowOption())
    .addOption(outputOption())
    .action(async (revision: number, { dryRun, allow, output }: RestoreOptions) => {
      const path = `/v1/revisions/${revision}/restore`;
      const query = { dryRun: dryRun ? 'true' : undefined, allow: allow?.join(',') };
      const answer = await callApi<ApplyAnswer>(terminal, { method: 'POST', path, query });
      print(terminal, output, answer, () => formatApplied(terminal, answer));
    });

function numberOf(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('give a whole number from 1 on');
  return number;
}

const headOf = ({ revision, createdAt, author, source, restoredFrom }: RevisionAnswer): [string, string][] => [
  ['revision', String(revision)],
  ['time', createdAt],
  ['author', author],
  ['source', source],
  ...(restoredFrom === null ? [] : [['restored from', String(restoredFrom)] as [string, string]]),
];

/** A table of revisions; a sentence when there are none. */
function formatRevisions(items: readonly RevisionAnswer[]): string {
  const rows = items.map(({ revision, createdAt, author, source, restoredFrom, summary }) => [
    String(revision),
    createdAt,
    author,
    source,
    restoredFrom === null ? '-' : String(restoredFrom),
    `+${summary.created} ~${summary.updated} -${summary.deleted}`,
  ]);
  const headings = ['revision', 'time', 'author', 'source', 'restored from', 'documents'];
  return formatTable(headings, rows) || 'there are no revisions\n';
}
