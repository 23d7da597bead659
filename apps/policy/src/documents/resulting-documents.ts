import type { ParsedDocument } from '@countersign/contracts';
import type { DocumentKey } from './document-rows';
import { keyOf, type GivenDocument } from './plan-changes';
import type { StoredState } from './stored-documents';

interface Change {
  given: readonly GivenDocument[];
  deleted: readonly DocumentKey[];
}

/**
 * The documents as they will be once a change is applied, or as they are; stored ones that are broken are left out.
 * They may be many, so they are gone through when somebody wants them, which may be in steps.
 */
export function resultingDocuments(stored: StoredState['documents'], change?: Change): Iterable<ParsedDocument> {
  const { given = [], deleted = [] } = change ?? {};
  const documents = given.map(({ document }) => document);
  const replaced = new Set([...documents, ...deleted].map(keyOf));
  return {
    *[Symbol.iterator]() {
      for (const [key, { document }] of stored) if (document !== null && !replaced.has(key)) yield document;
      yield* documents;
    },
  };
}
