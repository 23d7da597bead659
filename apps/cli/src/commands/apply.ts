import type { ApplyAnswer, Finding } from '@countersign/contracts';
import type { Command } from 'commander';
import { callApi } from '../api';
import { documentsCommand, namedPaths, readDocuments, type DocumentOptions } from '../document-sources';
import { formatTable, outputOption, paint, print, type Output } from '../format';
import { allowOption } from '../repeatable-options';
import type { Terminal } from '../terminal';

interface Options extends DocumentOptions {
  dryRun?: boolean;
  prune?: boolean;
  test?: boolean;
  allow?: string[];
  output?: Output;
}

const colours = { created: 'green', updated: 'yellow', deleted: 'red', unchanged: 'dim' } as const;

const NOT_RUN = 'not run (--test runs it)';

/** `countersign apply`: many documents, all or nothing. */
export const applyCommand = (terminal: Terminal): Command =>
  documentsCommand('apply')
    .description('write documents: all of them, or none when one is not valid')
    .option('--dry-run', 'say what would change, change nothing')
    .option('--prune', 'delete documents that were applied before and are not among these')
    .option('--test', 'refuse unless the PolicyTests among the documents pass')
    .addOption(allowOption())
    .addOption(outputOption())
    .action(async (paths: string[], options: Options) => {
      const { text, placeOf } = await readDocuments(terminal, namedPaths(paths, options.filename));
      const answer = await callApi<ApplyAnswer>(terminal, {
        method: 'POST',
        path: '/v1/apply',
        query: {
          dryRun: options.dryRun ? 'true' : undefined,
          prune: options.prune ? 'true' : undefined,
          test: options.test ? 'require' : undefined,
          allow: options.allow?.join(','),
        },
        contentType: 'application/yaml',
        body: text,
        placeOf,
      });
      print(terminal, options.output, answer, () => formatApplied(terminal, answer));
    });

/** One line per document, then the findings, then the revision. */
export function formatApplied(terminal: Pick<Terminal, 'isTty' | 'env'>, answer: ApplyAnswer): string {
  const lines = answer.results.map(
    ({ kind, name, action }) => `${kind}/${name} ${paint(terminal, colours[action], action)}\n`,
  );
  const tests = (answer.tests ?? []).map(
    ({ name, action }) => `PolicyTest/${name} ${action === 'passed' ? paint(terminal, 'green', 'passed') : NOT_RUN}\n`,
  );
  const revision = answer.dryRun
    ? `dry run: nothing was changed, revision stays ${answer.revision}`
    : `revision ${answer.revision}`;
  return [...lines, ...tests, formatFindings(answer.findings), `${revision}\n`].join('');
}

const formatFindings = (findings: readonly Finding[]): string =>
  formatTable(
    ['severity', 'rule', 'document', 'path', 'message'],
    findings.map(({ severity, rule, resource, path, message }) => [
      severity,
      rule,
      `${resource.kind}/${resource.name}`,
      path || '-',
      message,
    ]),
  );
