/** One case of a PolicyTest and what came out of it. */
export interface PolicyTestCaseAnswer {
  /** `metadata.name` of the PolicyTest. */
  test: string;
  name: string;
  passed: boolean;
  expected: {
    outcome: 'granted' | 'denied';
    roles: string[] | null;
    policies: string[] | null;
    reason: string | null;
    decision: boolean | null;
  };
  actual: {
    outcome: 'granted' | 'denied';
    reason: string | null;
    detail: string | null;
    issuer: string | null;
    roles: string[];
    policies: string[];
    decision: boolean | null;
  };
  /** What came out otherwise than expected, in words. */
  mismatches: { member: string; message: string }[];
  /** Only of cases that are granted as expected, and only when near misses were asked for. */
  neighbours: NearMissesAnswer | null;
}

/** Tokens that differ in one claim, and those of them that are granted although nobody said that they may be. */
export interface NearMissesAnswer {
  total: number;
  refused: number;
  /** `from` is what the claim was, `to` what it became; null where there is none. */
  slipped: { claim: string; from: unknown; to: unknown; roles: string[] }[];
}

/** Answer of `POST /v1/test`. */
export interface PolicyTestsAnswer {
  /** Of the stored documents that the given ones were laid over. */
  revision: number;
  passed: boolean;
  cases: PolicyTestCaseAnswer[];
  summary: {
    cases: number;
    passed: number;
    failed: number;
    /** The mutation score of all cases together; null when it was not asked for. */
    neighbours: { total: number; refused: number } | null;
  };
}
