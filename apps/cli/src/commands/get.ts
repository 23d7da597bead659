import type { DocumentKind, Page } from '@countersign/contracts';
import { Command } from 'commander';
import { stringify } from 'yaml';
import { callApi } from '../api';
import { formatTable, outputOption, print, type Output } from '../format';
import { parseKind } from '../kinds';
import type { Terminal } from '../terminal';

interface StoredDocument {
  apiVersion: string;
  kind: DocumentKind;
  metadata: { name: string };
  spec: Record<string, unknown>;
}

/** `countersign get`: one document as YAML, or a list. */
export const getCommand = (terminal: Terminal): Command =>
  new Command('get')
    .description('show documents: all, of one kind, or a single one (as YAML, ready to be applied again)')
    .argument('[kind]', 'JwtIssuer, Policy or Role')
    .argument('[name]')
    .addOption(outputOption())
    .action(async (kind: string | undefined, name: string | undefined, { output }: { output?: Output }) => {
      if (kind !== undefined && name !== undefined) return getOne(terminal, parseKind(kind), name, output);
      return getMany(terminal, kind === undefined ? undefined : parseKind(kind), output);
    });

async function getOne(terminal: Terminal, kind: DocumentKind, name: string, output?: Output): Promise<void> {
  const path = `/v1/resources/${kind}/${encodeURIComponent(name)}`;
  const document = await callApi<StoredDocument>(terminal, { path });
  print(terminal, output, document, () => stringify(document));
}

async function getMany(terminal: Terminal, kind: DocumentKind | undefined, output?: Output): Promise<void> {
  const items: StoredDocument[] = [];
  let cursor: string | undefined;
  do {
    const query = { kind, limit: '500', cursor };
    const page = await callApi<Page<StoredDocument>>(terminal, { path: '/v1/resources', query });
    items.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  print(terminal, output, { items, nextCursor: null }, () => formatDocuments(items));
}

/** A table of documents; a sentence when there are none. */
export function formatDocuments(items: readonly StoredDocument[]): string {
  const rows = items.map(({ kind, metadata, apiVersion, spec }) => [kind, metadata.name, summaryOf(spec), apiVersion]);
  return formatTable(['kind', 'name', 'summary', 'api version'], rows) || 'there are no documents\n';
}

/** What tells documents of one kind apart: the issuer, the policies of a role, the statements of a policy. */
function summaryOf({ iss, policy, statement }: Record<string, unknown>): string {
  if (typeof iss === 'string') return iss;
  if (Array.isArray(policy)) return `policy ${policy.join(', ')}`;
  if (typeof policy === 'string') return `policy ${policy}`;
  return Array.isArray(statement) ? `${statement.length} statement${statement.length === 1 ? '' : 's'}` : '';
}
