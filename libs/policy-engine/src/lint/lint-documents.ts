import type { CountersignDocument } from '../documents';
import { atOnce, eachInSteps, type Steps } from '../steps';
import { lintContext, type LintContext } from './lint-context';
import type { LintFinding, Severity } from './lint-findings';
import type { Draft, LintRule } from './lint-rule';
import { lintRules } from './lint-rules';
import { viewRole } from './role-view';

export interface LintOptions {
  /** What may be granted on `countersign:*`: a statement that names something else there says nothing. */
  adminActions: readonly string[];
  /** Only findings of these documents; the others are what they are seen against. Left out: all. */
  only?: ReadonlySet<CountersignDocument>;
}

const rank: Record<Severity, number> = { error: 0, warning: 1, info: 2 };

/**
 * What valid documents, seen together, say that is dangerous, dead, or better said otherwise: in the order of the
 * documents, or of `only`, the gravest of each first. Disabled documents are silent.
 */
export const lintDocuments = (documents: Iterable<CountersignDocument>, options: LintOptions): LintFinding[] =>
  atOnce(lintInSteps(documents, options));

/** The same, some milliseconds at a time: many of them take seconds. */
export function* lintInSteps(
  documents: Iterable<CountersignDocument>,
  { only, adminActions }: LintOptions,
): Steps<LintFinding[]> {
  const linted = only ?? documents;
  const context = yield* lintContext(documents, { linted, adminActions });
  const findings: LintFinding[] = [];
  yield* eachInSteps(linted, (document) => {
    if (!isDisabled(document)) findings.push(...lintDocument(document, context));
  });
  return findings;
}

const isDisabled = (document: CountersignDocument): boolean => document.kind !== 'Policy' && document.spec.disabled;

function lintDocument(document: CountersignDocument, context: LintContext): LintFinding[] {
  const { kind, name } = document;
  const findings = draftsOf(document, context).map(({ rule, draft }): LintFinding => ({
    rule: rule.id,
    severity: draft.severity ?? rule.severity,
    resource: { kind, name },
    path: draft.path,
    message: draft.message,
    admits: draft.admits ?? [],
    fix: draft.fix ?? rule.fix,
  }));
  return findings.sort((one, other) => rank[one.severity] - rank[other.severity]);
}

interface Found {
  rule: LintRule;
  draft: Draft;
}

function draftsOf(document: CountersignDocument, context: LintContext): Found[] {
  const role = document.kind === 'Role' ? viewRole(document, context.issuers) : null;
  return lintRules.flatMap((rule) => {
    const drafts = (): Draft[] => {
      if (rule.kind === 'any') return rule.lint(document, context);
      if (rule.kind === 'Role') return role ? rule.lint(role, context) : [];
      if (rule.kind === 'Policy') return document.kind === 'Policy' ? rule.lint(document, context) : [];
      return document.kind === 'JwtIssuer' ? rule.lint(document, context) : [];
    };
    return drafts().map((draft) => ({ rule, draft }));
  });
}
