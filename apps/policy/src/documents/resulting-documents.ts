import type { ParsedDocument } from '@countersign/contracts';
import { parseStored, type DocumentKey, type StoredDocument } from './document-rows';
import { keyOf, type GivenDocument } from './plan-changes';

interface Change {
  given: readonly GivenDocument[];
  deleted: readonly DocumentKey[];
}

/** The documents as they will be once a change is applied; stored ones that are broken are left out, as in a snapshot. */
export const resultingDocuments = (stored: StoredDocument[], change: Change): ParsedDocument[] =>
  mergeDocuments(parseStored(stored).parsed, change);

/** The same from what was parsed already. */
export function mergeDocuments(parsed: readonly ParsedDocument[], { given, deleted }: Change): ParsedDocument[] {
  const documents = given.map(({ document }) => document);
  const replaced = new Set([...documents, ...deleted].map(keyOf));
  return [...parsed.filter((document) => !replaced.has(keyOf(document))), ...documents];
}
