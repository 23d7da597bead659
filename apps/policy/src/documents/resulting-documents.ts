import type { ParsedDocument } from '@countersign/contracts';
import { parseStored, type DocumentKey, type StoredDocument } from './document-rows';
import { keyOf, type GivenDocument } from './plan-changes';

/** The documents as they will be once a change is applied; stored ones that are broken are left out, as in a snapshot. */
export function resultingDocuments(
  stored: StoredDocument[],
  { given, deleted }: { given: readonly GivenDocument[]; deleted: readonly DocumentKey[] },
): ParsedDocument[] {
  const documents = given.map(({ document }) => document);
  const replaced = new Set([...documents, ...deleted].map(keyOf));
  const kept = parseStored(stored).parsed.filter((document) => !replaced.has(keyOf(document)));
  return [...kept, ...documents];
}
