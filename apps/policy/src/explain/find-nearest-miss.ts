import { ADMIN_ACTIONS, crossCheck, parseDocument, type NearestMissAnswer } from '@countersign/contracts';
import {
  applyEdit,
  findNearestMiss as findInSnapshot,
  isAdmittedAfter,
  lintDocuments,
  withRole,
  type CountersignDocument,
  type DocumentEdit,
  type LintFinding,
  type RoleDocument,
  type Snapshot,
} from '@countersign/policy-engine';
import type { RecordedExchanges } from '../recorded/recorded-exchanges';
import type { DecidedAttempt } from './decided-attempt';
import { rehearseEdit } from './rehearse-edit';
import { writtenEdit, type WrittenDocuments } from './written-documents';

/** What an edit makes of the documents. */
interface EditedRole {
  edit: DocumentEdit;
  before: RoleDocument;
  after: RoleDocument;
  /** Issuers and policies. */
  others: CountersignDocument[];
}

/** The nearest miss of a denied attempt, its edit linted and rehearsed; null when it was granted or no role is near. */
export async function findNearestMiss(
  { request, explanation }: DecidedAttempt,
  { snapshot, documents }: { snapshot: Snapshot; documents: WrittenDocuments },
  exchanges: RecordedExchanges,
): Promise<NearestMissAnswer | null> {
  const miss = findInSnapshot(snapshot, request, { explanation, documents: documents.roles() });
  if (miss === null) return null;
  const edited = miss.edit && editRole(documents, miss.role, miss.edit);
  const admits = edited !== null && isAdmittedAfter(snapshot, request, edited.after);
  const after = admits ? withRole(snapshot, edited.after) : null;
  const to = new Date();
  const nobody = { count: 0, sample: [], from: to.toISOString(), to: to.toISOString() };
  const { role, failedChecks } = miss;
  if (edited === null || after === null) return { role, failedChecks, edit: null, findings: [], alsoAdmits: nobody };
  const rehearsal = { before: snapshot, after, subject: request.claims['sub'], to };
  const alsoAdmits = await rehearseEdit(exchanges, rehearsal);
  const findings = newFindings(edited).map((finding) => ({
    ...finding,
    path: documents.pathIn('Role', role, finding.path),
  }));
  return { role, failedChecks, edit: edited.edit, findings, alsoAdmits };
}

/** The edit in terms of the document as it was written; null when what comes out could not be applied. */
function editRole(documents: WrittenDocuments, name: string, normalised: DocumentEdit): EditedRole | null {
  const raw = documents.find('Role', name);
  const before = documents.roles().get(name);
  if (raw === null || before === undefined) return null;
  const edit = writtenEdit(raw, normalised);
  const result = parseDocument(applyEdit(raw, edit));
  if (!result.ok || result.document.kind !== 'Role') return null;
  const others = documents.parsed().filter(({ kind }) => kind !== 'Role');
  const edited = { edit, before, after: result.document, others };
  return isApplicable(edited) ? edited : null;
}

const isApplicable = ({ before, after, others }: EditedRole): boolean =>
  crossCheck([...others, after]).length <= crossCheck([...others, before]).length;

/** What lint says of the edited role alone. */
function newFindings({ before, after, others }: EditedRole): LintFinding[] {
  const findingsOf = (role: RoleDocument): LintFinding[] =>
    lintDocuments([...others, role], { only: new Set([role]), adminActions: ADMIN_ACTIONS });
  const known = new Set(findingsOf(before).map(identity));
  return findingsOf(after).filter((finding) => !known.has(identity(finding)));
}

const identity = ({ rule, path, message }: LintFinding): string => JSON.stringify([rule, path, message]);
