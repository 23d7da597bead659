import type { LintAnswer } from '@countersign/contracts';
import type { Command } from 'commander';
import { parseAllDocuments } from 'yaml';
import { callApi } from '../api';
import { documentsCommand, namedPaths, readDocuments, type DocumentOptions } from '../document-sources';
import { EXIT, Failure } from '../failure';
import { formatFindings } from '../format-findings';
import { describeError } from '../format-failure';
import { outputOption, print, type Output } from '../format';
import { allowOption } from '../repeatable-options';
import type { Terminal } from '../terminal';

interface Options extends DocumentOptions {
  offline?: boolean;
  allow?: string[];
  output?: Output;
}

/** `countersign lint`: what is dangerous, dead, or better said otherwise. */
export const lintCommand = (terminal: Terminal): Command =>
  documentsCommand('lint', '; without any: what is stored')
    .description('say what documents admit that is hardly meant, and how to mend it; nothing is stored')
    .option('--offline', 'ask no server: the documents are seen by themselves')
    .addOption(allowOption())
    .addOption(outputOption())
    .action(async (paths: string[], options: Options) => {
      const answer = await (options.offline ? lintHere : lintThere)(terminal, namedPaths(paths, options.filename));
      print(terminal, options.output, answer, () => formatFindings(terminal, answer.findings));
      refuseErrors(answer, options.allow ?? []);
    });

async function lintThere(terminal: Terminal, paths: readonly string[]): Promise<LintAnswer> {
  const { text, placeOf } = paths.length === 0 ? nothing : await readDocuments(terminal, paths);
  return callApi<LintAnswer>(terminal, {
    method: 'POST',
    path: '/v1/lint',
    ...(text === '' ? {} : { contentType: 'application/yaml', body: text }),
    placeOf,
  });
}

const nothing = { text: '', placeOf: () => null };

async function lintHere(terminal: Terminal, paths: readonly string[]): Promise<LintAnswer> {
  const { text, placeOf } = await readDocuments(terminal, paths);
  const parsed = parseAllDocuments(text);
  const raws = (Array.isArray(parsed) ? parsed : []).map((document) => document.toJS() as unknown);
  // Only here: everything else that the command does is quicker without the engine.
  const { lintRaw } = await import('@countersign/contracts');
  const { errors, findings } = lintRaw(raws.filter((raw) => raw !== null));
  if (errors.length === 0) return { findings };
  const lines = errors.map((error) => `  ${describeError(error, placeOf)}`);
  throw new Failure(
    EXIT.refused,
    ['the documents are not valid', ...lines].join('\n'),
    'Correct the fields listed above.',
  );
}

function refuseErrors({ findings }: LintAnswer, allow: readonly string[]): void {
  const errors = findings.filter(
    ({ severity, rule, allowed }) => severity === 'error' && !allowed && !allow.includes(rule),
  );
  if (errors.length === 0) return;
  const rules = [...new Set(errors.map(({ rule }) => rule))].sort().join(',');
  throw new Failure(
    EXIT.refused,
    `${errors.length} ${errors.length === 1 ? 'error' : 'errors'}: an apply would refuse this`,
    `Mend it as it says under "fix"; if it is meant: --allow ${rules}`,
  );
}
