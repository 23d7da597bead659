import type { CountersignDocument } from '../documents';
import type { LintFinding } from './lint-findings';

export interface LintOptions {
  /** Only findings of these documents; the others are what they are seen against. Left out: all. */
  only?: ReadonlySet<CountersignDocument>;
}

/** What the documents, seen together, say that is dangerous, dead, or better said otherwise. */
export function lintDocuments(_documents: readonly CountersignDocument[], _options: LintOptions = {}): LintFinding[] {
  return [];
}
