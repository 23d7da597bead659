import type { Snapshot } from '../compile-snapshot';
import { decideExchange } from '../decide-exchange';
import type { ExchangeRequest } from '../decisions';
import type { RoleDocument } from '../documents';
import { parseRepository } from '../shorthand/parse-repository';
import { applyEdit } from './apply-edit';
import type { DocumentEdit, ExchangeExplanation, ExplainedRole } from './explanation';
import { obstacles } from './nearest-first';
import { suggestEdits } from './suggest-edits';
import { decidingWithRole } from './with-role';

export interface NearestMiss {
  role: string;
  /** Checks that fail, and one more for a shadow role. */
  failedChecks: number;
  /** The one edit of the role's normalised document that admits the request; null when no single one does. */
  edit: DocumentEdit | null;
}

/** Roles as near as the nearest that are tried for an edit. */
const MOST_TRIED = 20;

/**
 * The role that came nearest to granting, and the one edit after which `decideExchange` grants; of several as near,
 * the first that one edit mends. null when the exchange is granted, or no role is what stood in the way.
 */
export function findNearestMiss(
  snapshot: Snapshot,
  request: ExchangeRequest,
  { explanation, documents }: { explanation: ExchangeExplanation; documents: ReadonlyMap<string, RoleDocument> },
): NearestMiss | null {
  if (explanation.outcome === 'granted') return null;
  const missed = explanation.roles.filter((role) => obstacles(role) > 0);
  const [nearest] = missed;
  if (nearest === undefined) return null;
  const near = missed.filter((role) => obstacles(role) === 1).slice(0, MOST_TRIED);
  for (const role of near) {
    const edit = findEdit(snapshot, request, { role, document: documents.get(role.name) });
    if (edit !== null) return { role: role.name, failedChecks: 1, edit };
  }
  return { role: nearest.name, failedChecks: obstacles(nearest), edit: null };
}

function findEdit(
  snapshot: Snapshot,
  request: ExchangeRequest,
  { role, document }: { role: ExplainedRole; document: RoleDocument | undefined },
): DocumentEdit | null {
  if (document === undefined) return null;
  const { publicUrl } = snapshot;
  const edits = suggestEdits(role, document.spec, { publicUrl, claims: request.claims });
  return edits.find((edit) => isAdmittedAfter(snapshot, request, editNormalised(document, edit))) ?? null;
}

/** Subjects and repositories of a principal stand elsewhere, and otherwise, once they are read. */
export function editNormalised(document: RoleDocument, edit: DocumentEdit): RoleDocument | null {
  if (!edit.path.startsWith('/spec/principal/')) return applyEdit(document, edit);
  const path = edit.path.replace('/spec/principal/jwt:sub', '/spec/principal');
  if (document.spec.repositories === undefined) return applyEdit(document, { ...edit, path });
  const parsed = parseRepository(typeof edit.value === 'string' ? edit.value : '');
  return parsed.ok
    ? applyEdit(document, { op: edit.op, path: '/spec/repositories/-', value: parsed.repository })
    : null;
}

/** Whether the exchange is granted, and through this role, once its document is this one. */
export function isAdmittedAfter(snapshot: Snapshot, request: ExchangeRequest, document: RoleDocument | null): boolean {
  const edited = document === null ? null : decidingWithRole(snapshot, document);
  return edited !== null && decideExchange(edited, request).roles.includes(document?.name ?? '');
}
