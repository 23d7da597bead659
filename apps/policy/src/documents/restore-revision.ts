import type { ApplyAnswer, DocumentChange } from '@countersign/contracts';
import { ProblemError, type Caller } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import { PolicyDatabase } from '../policy-database';
import { ApplyDocuments, type ApplyOptions } from './apply-documents';
import { keyOf } from './plan-changes';
import { changesUpTo } from './revision-rows';
import { StoredDocuments } from './stored-documents';

/** A document that the API is to have again. */
interface FormerDocument {
  key: string;
  raw: unknown;
}

/** Brings the documents of the API back to what they were; those of the directory have their history in its own place. */
@Injectable()
export class RestoreRevision {
  constructor(
    private readonly database: PolicyDatabase,
    private readonly stored: StoredDocuments,
    private readonly documents: ApplyDocuments,
  ) {}

  /**
   * One new revision that leaves the API's documents as they were after revision `number`: created, updated and
   * deleted, and checked like any other change.
   * @throws ProblemError not-found
   */
  async restore(number: number, caller: Caller, options: ApplyOptions): Promise<ApplyAnswer> {
    const former = await this.formerDocuments(number);
    const { documents } = await this.stored.load();
    // What the directory has taken over since stays with it: its folder is the truth there.
    const raw = former.filter(({ key }) => documents.get(key)?.owner !== 'directory').map((document) => document.raw);
    const request = { raw, remove: [], prune: true, owner: 'api' as const, caller, restoredFrom: number };
    return this.documents.apply(request, options);
  }

  /** Walks back from the revision: the first change of a document that is met is the last one before it. */
  private async formerDocuments(number: number): Promise<FormerDocument[]> {
    const seen = new Map<string, DocumentChange>();
    let batch = await this.changesUpTo(number);
    if (batch[0]?.revision !== number) throw new ProblemError('not-found', `There is no revision ${number}.`);
    for (let last = batch.at(-1); last !== undefined; last = batch.at(-1)) {
      for (const change of batch.flatMap(({ changes }) => changes)) {
        if (!seen.has(keyOf(change))) seen.set(keyOf(change), change);
      }
      batch = await this.changesUpTo(last.revision - 1);
    }
    return [...seen.values()]
      .filter(({ action, owner }) => action !== 'deleted' && owner === 'api')
      .map((change) => ({ key: keyOf(change), raw: change.after }));
  }

  private readonly changesUpTo = (number: number) => this.database.run((manager) => changesUpTo(manager, number));
}
