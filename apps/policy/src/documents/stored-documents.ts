import { parseDocument, type ParsedDocument } from '@countersign/contracts';
import { eachInSteps, type Steps } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { PolicyDatabase } from '../policy-database';
import { inStretches } from '../snapshot/in-stretches';
import { changesSince, rawOf, READ_LIMIT, type ChangesSince, type DocumentRow } from './document-rows';
import { keyOf } from './plan-changes';
import type { NewestRevision } from './revision-rows';

/** With what it says, which is null where that does not pass validation any more: it is left out of everything. */
export interface CheckedDocument extends DocumentRow {
  document: ParsedDocument | null;
}

/** All documents of a revision. Never changes: of the next revision there is another one. */
export interface StoredState {
  newest: NewestRevision;
  /** By `keyOf`, in its order. What did not change since an earlier state is the same object. */
  documents: ReadonlyMap<string, CheckedDocument>;
}

const NOTHING: StoredState = { newest: { number: 0, createdAt: '' }, documents: new Map() };

/** The documents in memory, validated: of those that are stored, only what changed since the last look is read. */
@Injectable()
export class StoredDocuments {
  private latest = NOTHING;

  constructor(private readonly database: PolicyDatabase) {}

  /** The documents of the newest revision. */
  load(): Promise<StoredState> {
    return this.follow((base) => this.database.transaction((manager) => changesSince(manager, base), READ_LIMIT));
  }

  /** The same as a transaction sees it. */
  loadIn(manager: EntityManager): Promise<StoredState> {
    return this.follow((base) => changesSince(manager, base));
  }

  private async follow(read: (base: NewestRevision) => Promise<ChangesSince | null>): Promise<StoredState> {
    const base = this.latest;
    const changes = await read(base.newest);
    if (changes === null) {
      // The revision is gone, or another one has its number: the database went back to a backup, or is another one.
      this.latest = NOTHING;
      return this.follow(read);
    }
    const { newest, written, deleted } = changes;
    if (isSame(newest, base.newest) && written.length + deleted.length === 0) return base;
    this.latest = { newest, documents: await inStretches(amend(base.documents, changes)) };
    return this.latest;
  }
}

const isSame = (one: NewestRevision, other: NewestRevision): boolean =>
  one.number === other.number && one.createdAt === other.createdAt;

function* amend(
  before: ReadonlyMap<string, CheckedDocument>,
  { written, deleted }: ChangesSince,
): Steps<ReadonlyMap<string, CheckedDocument>> {
  // What was deleted and made again is written.
  const changed = new Map<string, CheckedDocument | null>(deleted.map((key) => [keyOf(key), null]));
  yield* eachInSteps(written, (row) => void changed.set(keyOf(row), toChecked(row)));
  const pending = [...changed].sort(([one], [other]) => (one < other ? -1 : 1)).values();
  const after = new Map<string, CheckedDocument>();
  let next = pending.next();
  const putChanged = (isNext: (key: string) => boolean): void => {
    for (; !next.done && isNext(next.value[0]); next = pending.next()) {
      const [key, document] = next.value;
      if (document !== null) after.set(key, document);
    }
  };
  yield* eachInSteps(before, ([key, document]) => {
    putChanged((other) => other <= key);
    if (!changed.has(key)) after.set(key, document);
  });
  putChanged(() => true);
  return after;
}

const withSince = (document: ParsedDocument, since: number): ParsedDocument =>
  document.kind === 'Policy' ? { ...document, since } : document;

/** Validates again what was stored, maybe by an older version or another hand. */
function toChecked(row: DocumentRow): CheckedDocument {
  const result = parseDocument(rawOf(row));
  const { kind, name, owner, raw, etag, revision, since } = row;
  const isWhole = result.ok && result.document.kind === kind && result.document.name === name;
  const document = isWhole ? withSince(result.document, since) : null;
  return { kind, name, owner, raw, etag, revision, since, document };
}
