import type { ExpectedOutcome, NearMissScore, PolicyTestResult } from '@countersign/policy-engine';

/** One case of a PolicyTest and what came out of it. */
export interface PolicyTestCaseAnswer extends PolicyTestResult {
  /** `metadata.name` of the PolicyTest. */
  test: string;
  expected: ExpectedOutcome;
  /** Only of cases that are granted as expected, and only when near misses were asked for. */
  neighbours: NearMissScore | null;
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
    neighbours: Pick<NearMissScore, 'total' | 'refused'> | null;
  };
}
