import type { ApplyAnswer, DocumentChange, ParsedDocument } from '@countersign/contracts';
import { ProblemError } from '@countersign/platform';
import { rawOf, type DocumentKey, type NewDocument, type Owner } from './document-rows';
import { etagOf } from './etag';
import type { CheckedDocument, StoredState } from './stored-documents';

/** A document that passed validation, with what was given. */
export interface GivenDocument {
  document: ParsedDocument;
  raw: unknown;
}

export interface WantedChanges {
  given: GivenDocument[];
  /** Documents that are to go. */
  remove: DocumentKey[];
  /** Whether documents of this owner that are not given are to go, too. */
  prune: boolean;
  owner: Owner;
}

export interface Plan {
  results: ApplyAnswer['results'];
  changes: DocumentChange[];
  write: NewDocument[];
  delete: DocumentKey[];
}

export const keyOf = ({ kind, name }: DocumentKey): string => `${kind}/${name}`;

/**
 * What has to be done to get from the stored documents to the wanted ones. Pure.
 * @throws ProblemError conflict when a document of the directory would have to change
 */
export function planChanges(stored: StoredState['documents'], wanted: WantedChanges): Plan {
  const steps = wanted.given.map((given) => planDocument(given, stored.get(keyOf(given.document)), wanted.owner));
  const removed = removedDocuments(stored, wanted);
  refuseForeign([...steps.flatMap(({ before, change }) => (change && before) || []), ...removed], wanted.owner);
  return {
    results: [...steps.map(({ result }) => result), ...removed.map(deletedResult)],
    changes: [...steps.flatMap(({ change }) => change ?? []), ...removed.map(deletedChange)],
    write: steps.flatMap(({ change, write }) => (change ? [write] : [])),
    delete: removed.map(({ kind, name }) => ({ kind, name })),
  };
}

function planDocument({ document, raw }: GivenDocument, before: CheckedDocument | undefined, owner: Owner) {
  const { kind, name, apiVersion } = document;
  const write: NewDocument = { kind, name, apiVersion, owner, raw, etag: etagOf(raw) };
  const same = before?.etag === write.etag && (before.owner === owner || owner === 'api');
  const action = before === undefined ? ('created' as const) : ('updated' as const);
  const change: DocumentChange = { kind, name, action, owner, before: before ? rawOf(before) : null, after: raw };
  return {
    before,
    write,
    change: same ? null : change,
    result: { kind, name, action: same ? ('unchanged' as const) : action, etag: write.etag },
  };
}

/** Stored documents that the change takes away. */
export function removedDocuments(
  stored: StoredState['documents'],
  { given, remove, prune, owner }: WantedChanges,
): CheckedDocument[] {
  const kept = new Set(given.map(({ document }) => keyOf(document)));
  const named = new Set(remove.map(keyOf));
  if (!prune) return [...named].flatMap((key) => (kept.has(key) ? [] : (stored.get(key) ?? [])));
  return [...stored].flatMap(([key, document]) =>
    !kept.has(key) && (named.has(key) || document.owner === owner) ? [document] : [],
  );
}

const deletedResult = ({ kind, name, etag }: CheckedDocument): Plan['results'][number] => ({
  kind,
  name,
  action: 'deleted',
  etag,
});

const deletedChange = ({ kind, name, owner, raw }: CheckedDocument): DocumentChange => ({
  kind,
  name,
  action: 'deleted',
  owner,
  before: rawOf({ raw }),
  after: null,
});

/** The directory may take over what the API made, never the other way round. */
function refuseForeign(changed: CheckedDocument[], owner: Owner): void {
  const foreign = owner === 'directory' ? [] : changed.filter((document) => document.owner === 'directory');
  if (foreign.length === 0) return;
  const names = foreign.map(keyOf).join(', ');
  throw new ProblemError('conflict', `Owned by the resources directory, to be changed there: ${names}.`);
}
