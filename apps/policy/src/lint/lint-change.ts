import { ADMIN_ACTIONS, markAllowed, type Finding, type ParsedDocument } from '@countersign/contracts';
import { ProblemError, countErrors } from '@countersign/platform';
import { lintInSteps } from '@countersign/policy-engine';
import { keyOf, type GivenDocument } from '../documents/plan-changes';
import { inStretches } from '../snapshot/in-stretches';
import { checkAnnotations } from './allowed-rules';

export interface LintedChange {
  /** All documents as they will be. */
  documents: Iterable<ParsedDocument>;
  given: readonly GivenDocument[];
  /** The documents as the request has them. */
  raw: readonly unknown[];
  /** Keys of the given documents that are not stored as they are: the others cannot refuse a change. */
  written: ReadonlySet<string>;
  /** Rules whose errors the change is allowed to have. */
  allow: readonly string[];
}

/** An error that was let pass. */
export type AllowedFinding = Pick<Finding, 'rule' | 'path'> & Finding['resource'];

/**
 * Findings of the given documents, and which errors among them were let pass.
 * @throws ProblemError lint-failed for an error that nobody allowed, with all findings; invalid-document for an
 *   annotation that names no rule
 */
export async function lintChange({ documents, given, raw, written, allow }: LintedChange): Promise<{
  findings: Finding[];
  allowed: AllowedFinding[];
}> {
  checkAnnotations(given, raw);
  const only = new Set(given.map(({ document }) => document));
  const found = await inStretches(lintInSteps(documents, { only, adminActions: ADMIN_ACTIONS }));
  const findings = markAllowed(found, given.map(writtenOf), allow);
  const errors = findings.filter(({ severity, resource }) => severity === 'error' && written.has(keyOf(resource)));
  refuse(
    errors.filter(({ allowed }) => !allowed),
    findings,
    (finding) => raw.indexOf(given.find(({ document }) => keyOf(document) === keyOf(finding.resource))?.raw),
  );
  return { findings, allowed: errors.map(({ rule, resource, path }) => ({ rule, ...resource, path })) };
}

/** A document's name, and how it was written. */
export const writtenOf = ({ document: { kind, name }, raw }: GivenDocument) => ({ kind, name, raw });

function refuse(refused: readonly Finding[], findings: Finding[], indexOf: (finding: Finding) => number): void {
  if (refused.length === 0) return;
  const errors = refused.map((finding) => ({
    document: indexOf(finding),
    ...finding.resource,
    path: finding.path,
    code: finding.rule,
    message: describe(finding),
  }));
  const rules = [...new Set(refused.map(({ rule }) => rule))].sort().join(',');
  throw new ProblemError('lint-failed', `${countErrors(errors)}; if that is what you want, allow=${rules}`, {
    errors,
    findings,
  });
}

function describe({ rule, message, admits, fix }: Finding): string {
  const example = admits[0] === undefined ? '' : `, for example ${admits[0]}`;
  return `${rule}: ${message}${example}. ${fix ?? ''}`.trimEnd();
}
