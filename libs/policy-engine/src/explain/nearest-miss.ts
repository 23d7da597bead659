import type { Snapshot } from '../compile-snapshot';
import { decideExchange } from '../decide-exchange';
import type { ExchangeRequest } from '../decisions';
import type { RoleDocument } from '../documents';
import { applyEdit } from './apply-edit';
import type { DocumentEdit, ExchangeExplanation, ExplainedRole } from './explanation';
import { obstacles } from './nearest-first';
import { suggestEdits } from './suggest-edits';
import { withRole } from './with-role';

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
  const edits = suggestEdits(role, document.spec, snapshot.publicUrl);
  return edits.find((edit) => isAdmittedAfter(snapshot, request, applyEdit(document, normalised(edit)))) ?? null;
}

/** Subjects stand under `principal` itself once they are read. */
const normalised = (edit: DocumentEdit): DocumentEdit => ({
  ...edit,
  path: edit.path.replace('/spec/principal/jwt:sub', '/spec/principal'),
});

/** Whether the exchange is granted, and through this role, once its document is this one. */
export function isAdmittedAfter(snapshot: Snapshot, request: ExchangeRequest, document: RoleDocument | null): boolean {
  const edited = document === null || document.spec.disabled ? null : withRole(snapshot, document);
  return edited !== null && decideExchange(edited, request).roles.includes(document?.name ?? '');
}
