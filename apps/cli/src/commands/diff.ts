import type { ApplyAnswer } from '@countersign/contracts';
import type { Command } from 'commander';
import { callApi } from '../api';
import { documentsCommand, namedPaths, readDocuments, type DocumentOptions } from '../document-sources';
import { EXIT, Failure } from '../failure';
import { outputOption, print, type Output } from '../format';
import { formatFindings } from '../format-findings';
import { formatChanges, type ShownChange } from '../format-changes';
import { parseDocuments } from '../parse-documents';
import { allowOption } from '../repeatable-options';
import type { Terminal } from '../terminal';

interface Options extends DocumentOptions {
  prune?: boolean;
  exitCode?: boolean;
  allow?: string[];
  output?: Output;
}

/** `countersign diff`: what an apply of the same files would change. */
export const diffCommand = (terminal: Terminal): Command =>
  documentsCommand('diff')
    .description('show what an apply would change, document by document; change nothing')
    .option('--prune', 'as if documents that are not among these were deleted')
    .option('--exit-code', 'exit 1 when there are differences')
    .addOption(allowOption())
    .addOption(outputOption())
    .action(async (paths: string[], { filename, prune, exitCode, allow, output }: Options) => {
      const { text, placeOf } = await readDocuments(terminal, namedPaths(paths, filename));
      const answer = await callApi<ApplyAnswer>(terminal, {
        method: 'POST',
        path: '/v1/apply',
        query: { dryRun: 'true', prune: prune ? 'true' : undefined, allow: allow?.join(',') },
        contentType: 'application/yaml',
        body: text,
        placeOf,
      });
      const changes = await changesOf(terminal, answer, text);
      const { revision, findings } = answer;
      const found = (): string => (findings.length === 0 ? '' : formatFindings(terminal, findings));
      print(terminal, output, { revision, changes, findings }, () => formatChanges(terminal, changes) + found());
      if (exitCode && changes.length > 0)
        throw new Failure(
          EXIT.refused,
          changes.length === 1 ? '1 document differs' : `${changes.length} documents differ`,
        );
    });

async function changesOf(terminal: Terminal, { results }: ApplyAnswer, text: string): Promise<ShownChange[]> {
  const given = new Map(parseDocuments(text).map((document) => [keyOf(document), document]));
  const changes: ShownChange[] = [];
  for (const { kind, name, action } of results) {
    if (action === 'unchanged') continue;
    const path = `/v1/resources/${kind}/${encodeURIComponent(name)}`;
    const before = action === 'created' ? null : await callApi<unknown>(terminal, { path });
    const after = action === 'deleted' ? null : (given.get(`${kind}/${name}`) ?? null);
    changes.push({ kind, name, action, before, after });
  }
  return changes;
}

function keyOf(document: unknown): string {
  const { kind, metadata } = document as { kind: string; metadata: { name: string } };
  return `${kind}/${metadata.name}`;
}
