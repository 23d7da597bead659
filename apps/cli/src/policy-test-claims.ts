import { dirname, resolve } from 'node:path';
import { isMap, parseAllDocuments, visit, type Document } from 'yaml';
import { readClaims } from './dev-issuer/claims';
import type { Source } from './document-sources';
import { usageFailure } from './failure';

/**
 * Puts the claims of the files that PolicyTests name (`claimsFile`, seen from the file they stand in) in their place,
 * since the server reads no files. What is named so is no document, also when it lies in the folder of the documents.
 */
export function withClaims(sources: readonly Source[], cwd: string): Source[] {
  const used = new Set<string>();
  const resolved = sources.map((source) => (source.text.includes('claimsFile') ? inline(source, cwd, used) : source));
  return resolved.filter(({ path }) => path === null || !used.has(path));
}

function inline(source: Source, cwd: string, used: Set<string>): Source {
  const documents = [...parseAllDocuments(source.text)] as Document.Parsed[];
  const folder = source.path === null ? cwd : dirname(source.path);
  for (const document of documents) {
    keepNumbersAsWritten(document);
    if (document.get('kind') !== 'PolicyTest') continue;
    for (const place of placesOf(document)) inlineAt(document, { place, folder, used, name: source.name });
  }
  return {
    ...source,
    text: documents
      .map(String)
      .join('---\n')
      .replaceAll(/\n(---\n)+/g, '\n---\n'),
  };
}

/** `spec` and each of its cases. */
function placesOf(document: Document.Parsed): (string | number)[][] {
  const cases = document.getIn(['spec', 'cases']);
  const count = typeof cases === 'object' && cases !== null && 'items' in cases ? (cases.items as unknown[]).length : 0;
  return [['spec'], ...Array.from({ length: count }, (_, index) => ['spec', 'cases', index])];
}

interface Place {
  place: (string | number)[];
  folder: string;
  used: Set<string>;
  name: string;
}

function inlineAt(document: Document.Parsed, { place, folder, used, name }: Place): void {
  if (!isMap(document.getIn(place))) return;
  const file = document.getIn([...place, 'claimsFile']);
  if (typeof file !== 'string') return;
  if (document.hasIn([...place, 'claims'])) throw usageFailure(`${name}: claims and claimsFile are two of the same`);
  const path = resolve(folder, file);
  used.add(path);
  document.deleteIn([...place, 'claimsFile']);
  document.setIn([...place, 'claims'], document.createNode(readClaims(path)));
}

/** `0123` or `1e3` mean an id: the server takes them as text, and so they have to be sent. */
function keepNumbersAsWritten(document: Document.Parsed): void {
  visit(document, {
    Scalar: (_, node) => {
      const isOdd = typeof node.value === 'number' && node.source !== undefined && String(node.value) !== node.source;
      if (isOdd) node.value = node.source;
    },
  });
}
