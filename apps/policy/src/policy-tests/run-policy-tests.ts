import type { PolicyTestCaseAnswer, PolicyTestsAnswer } from '@countersign/contracts';
import { ProblemError } from '@countersign/platform';
import {
  compileSnapshot,
  runPolicyTest,
  scoreNearMisses,
  type PolicyTest,
  type PolicyTestResult,
  type Snapshot,
} from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { resultingDocuments } from '../documents/resulting-documents';
import { StoredDocuments, type StoredState } from '../documents/stored-documents';
import { validateDocuments } from '../documents/validate-documents';
import { CompileDocuments } from '../snapshot/compile-documents';
import { policyTestsIn } from './given-tests';
import type { TestQuery } from './test-query';

/** Runs the PolicyTests of a request against its other documents, laid over the stored ones. Nothing is stored. */
@Injectable()
export class RunPolicyTests {
  constructor(
    private readonly stored: StoredDocuments,
    private readonly compiler: CompileDocuments,
    private readonly config: PolicyConfig,
  ) {}

  async run(raw: readonly unknown[], { neighbours, onlyGiven }: TestQuery): Promise<PolicyTestsAnswer> {
    const { publicUrl } = this.config;
    const { newest, documents: stored } = await this.stored.load();
    const base: StoredState['documents'] = onlyGiven ? new Map() : stored;
    const wanted = { remove: [], prune: false, owner: 'api' as const };
    const given = await validateDocuments({ raw, stored: base, wanted, publicUrl });
    const tests = policyTestsIn(raw).map(({ test }) => test);
    if (tests.length === 0) throw new ProblemError('invalid-document', 'There is no PolicyTest in the body.');
    const documents = resultingDocuments(base, { given, deleted: [] });
    const revision = newest.number;
    // Documents alone are tried without what this deployment knows: their result is the same everywhere.
    const snapshot = onlyGiven
      ? compileSnapshot({ documents, publicUrl, revision })
      : await this.compiler.compile(documents, revision);
    const cases = await runTests(snapshot, tests, { neighbours, now: Math.floor(Date.now() / 1000) });
    return answerOf(cases, { revision, neighbours });
  }
}

interface RunOptions {
  neighbours: boolean;
  /** Epoch seconds. */
  now: number;
}

/** Decisions of this process come first: near misses of many cases take seconds together. */
async function runTests(snapshot: Snapshot, tests: readonly PolicyTest[], { neighbours, now }: RunOptions) {
  const cases: PolicyTestCaseAnswer[] = [];
  for (const test of tests) {
    for (const [index, result] of runPolicyTest(snapshot, test, now).entries()) {
      const testCase = test.cases[index];
      if (testCase === undefined) continue;
      const { expect: expected } = testCase;
      const score = neighbours && isGranted(result) ? scoreNearMisses(snapshot, testCase, now) : null;
      cases.push({ test: test.name, ...result, expected, neighbours: score });
      if (score !== null) await giveWay();
    }
  }
  return cases;
}

const giveWay = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Of what is denied, or allowed nothing, nothing can slip through. */
const isGranted = ({ passed, actual }: PolicyTestResult): boolean =>
  passed && actual.outcome === 'granted' && actual.decision !== false;

function answerOf(
  cases: PolicyTestCaseAnswer[],
  { revision, neighbours }: { revision: number; neighbours: boolean },
): PolicyTestsAnswer {
  const passed = cases.filter((item) => item.passed).length;
  const scores = cases.flatMap((item) => item.neighbours ?? []);
  const sum = (member: 'total' | 'refused') => scores.reduce((all, score) => all + score[member], 0);
  return {
    revision,
    passed: passed === cases.length,
    cases,
    summary: {
      cases: cases.length,
      passed,
      failed: cases.length - passed,
      neighbours: neighbours ? { total: sum('total'), refused: sum('refused') } : null,
    },
  };
}
