import type { Claims } from '../decisions';

/** What a case says must come out; a member that is null is not looked at. */
export interface ExpectedOutcome {
  outcome: 'granted' | 'denied';
  /** Exactly these roles contribute, sorted. */
  roles: string[] | null;
  /** Exactly these policies are granted, sorted. */
  policies: string[] | null;
  /** Why it is denied, as the trail names it. */
  reason: string | null;
  /** Whether the permission of the case is allowed with the token that it gets. */
  decision: boolean | null;
}

/** One exchange, and what must come out of it. */
export interface PolicyTestCase {
  name: string;
  /** Name of the JwtIssuer; null means the one whose `iss` the claims have. */
  issuer: string | null;
  /** The claims with the changes of the case. */
  claims: Claims;
  /** Requested audiences; empty means the default one. */
  audiences: string[];
  /** Role names of `role:` scopes; null means no narrowing. */
  roles: string[] | null;
  /** Policy names of `policy:` scopes; null means no narrowing. */
  policies: string[] | null;
  sourceIp: string | null;
  /** Epoch seconds; null means the time at which the test runs. */
  time: number | null;
  /** What the access token is then used for. */
  permission: { action: string; resource: string } | null;
  expect: ExpectedOutcome;
  /** Claims (names, or JSON Pointers) that may differ without the answer being another; near misses leave them out. */
  mayDiffer: string[];
}

/** Cases that a set of documents must decide as they say. It is run, never stored: none of the document kinds. */
export interface PolicyTest {
  kind: 'PolicyTest';
  name: string;
  cases: PolicyTestCase[];
}

/** What came out of a case. */
export interface ActualOutcome {
  outcome: 'granted' | 'denied';
  /** null when granted. */
  reason: string | null;
  detail: string | null;
  issuer: string | null;
  roles: string[];
  policies: string[];
  /** null where the case has no permission. */
  decision: boolean | null;
}

/** A member of `expect` that came out otherwise. */
export interface Mismatch {
  member: keyof ExpectedOutcome;
  message: string;
}

export interface PolicyTestResult {
  name: string;
  passed: boolean;
  actual: ActualOutcome;
  mismatches: Mismatch[];
}
