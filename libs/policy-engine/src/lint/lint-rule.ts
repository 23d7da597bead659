import type { JwtIssuerDocument, PolicyDocument, RoleDocument } from '../documents';
import type { Severity } from './lint-findings';
import type { LintContext } from './lint-context';
import type { RoleView } from './role-view';

/** What a rule found in the document it looks at. */
export interface Draft {
  path: string;
  message: string;
  admits?: string[];
  /** Left out: the rule's own. */
  fix?: string;
  /** Left out: the rule's own. */
  severity?: Severity;
}

interface RuleText {
  /** Stable: once given, an id is never used for anything else. */
  id: string;
  /** The gravest that its findings have. */
  severity: Severity;
  /** What is wrong, for the list of rules. */
  title: string;
  /** A part of a document that the rule finds. */
  example: string;
  fix: string;
}

export interface RoleRule extends RuleText {
  kind: 'Role';
  lint: (role: RoleView, context: LintContext) => Draft[];
}

export interface PolicyRule extends RuleText {
  kind: 'Policy';
  lint: (policy: PolicyDocument, context: LintContext) => Draft[];
}

export interface IssuerRule extends RuleText {
  kind: 'JwtIssuer';
  lint: (issuer: JwtIssuerDocument, context: LintContext) => Draft[];
}

/** Names can be mistaken whatever the kind. */
export interface NameRule extends RuleText {
  kind: 'any';
  lint: (document: JwtIssuerDocument | PolicyDocument | RoleDocument, context: LintContext) => Draft[];
}

export type LintRule = RoleRule | PolicyRule | IssuerRule | NameRule;

const lowered: Record<Severity, Severity> = { error: 'warning', warning: 'info', info: 'info' };

/** One step less grave. */
export const lower = (severity: Severity): Severity => lowered[severity];
