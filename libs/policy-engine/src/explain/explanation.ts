import type { ExchangeDecision, ExchangeReason, PermissionDecision, StatementReference } from '../decisions';

/** One thing that a role or a statement asks for, and what the request has. */
export interface ExplainedCheck {
  /** JSON Pointer into the normalised document, where operators have their canonical spelling. */
  path: string;
  /** Canonical spelling. */
  operator: string;
  /** As in a condition; `event`, `scope` and `disabled` for what is no condition. */
  key: string;
  expected: string[];
  /** null when there is nothing. */
  actual: unknown;
  present: boolean;
  matched: boolean;
}

export interface ExplainedRole {
  name: string;
  /** Every check holds: an enforced role contributes, a shadow role is recorded. */
  matched: boolean;
  shadow: boolean;
  checks: ExplainedCheck[];
}

export interface ExplainedStatement extends StatementReference {
  effect: 'Allow' | 'Deny';
  /** Action, resource and condition hold. */
  applies: boolean;
  checks: ExplainedCheck[];
}

/** An exchange decision with what led to it. */
export interface ExchangeExplanation {
  outcome: 'granted' | 'denied';
  /** The step that refused. */
  stage: 'decide' | 'target' | 'granted';
  reason: ExchangeReason | null;
  decision: ExchangeDecision;
  /** Roles pinned to the issuer, disabled ones included; the nearest first. */
  roles: ExplainedRole[];
  /** How many more there are. */
  rolesLeftOut: number;
}

/** A permission decision with what led to it. */
export interface PermissionExplanation {
  decision: PermissionDecision;
  statements: ExplainedStatement[];
}

/** One operation of a JSON Patch (RFC 6902) on a document. */
export interface DocumentEdit {
  op: 'add' | 'replace' | 'remove';
  /** JSON Pointer; `-` stands for the end of a list. */
  path: string;
  /** Left out when something is removed. */
  value?: unknown;
}
