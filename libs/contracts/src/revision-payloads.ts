import type { DocumentKind } from '@countersign/policy-engine';
import type { RevisionAnswer } from './payloads';

/** What a revision did to one document; `before` and `after` are whole, so that it can be undone. */
export interface DocumentChange {
  kind: DocumentKind;
  name: string;
  action: 'created' | 'updated' | 'deleted';
  /** Owner after the change, of a deleted document before it. */
  owner: 'api' | 'directory';
  before: unknown;
  after: unknown;
}

/** Answer of `GET /v1/revisions/{n}`. */
export interface RevisionDetailAnswer extends RevisionAnswer {
  diff: DocumentChange[];
}
