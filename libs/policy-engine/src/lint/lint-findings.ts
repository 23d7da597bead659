import type { DocumentKind } from '../documents';

export type Severity = 'error' | 'warning' | 'info';

/** Something a document says that is dangerous, dead, or better said otherwise. */
export interface LintFinding {
  /** Stable id of the rule: `CS001` and so on. */
  rule: string;
  severity: Severity;
  resource: { kind: DocumentKind; name: string };
  /** JSON Pointer into the document; '' for the whole of it. */
  path: string;
  message: string;
  /** Examples of what is admitted or matched and surely not meant: subjects, `claim=value` lists, addresses, resources. */
  admits: string[];
  /** What to write instead. */
  fix: string;
}
