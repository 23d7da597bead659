import type { PolicyTestCaseAnswer, PolicyTestsAnswer } from '@countersign/contracts';
import { ProblemError } from '@countersign/platform';
import {
  compileSnapshot,
  runPolicyTest,
  scoreNearMisses,
  type PolicyTest,
  type Snapshot,
} from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { loadState, READ_LIMIT } from '../documents/document-rows';
import { resultingDocuments } from '../documents/resulting-documents';
import { validateDocuments } from '../documents/validate-documents';
import { PolicyDatabase } from '../policy-database';
import { CompileDocuments } from '../snapshot/compile-documents';
import { policyTestsIn } from './given-tests';
import type { TestQuery } from './test-query';

const changes = { remove: [], prune: false, owner: 'api' } as const;

/** Runs the PolicyTests of a request against its other documents, laid over the stored ones. Nothing is stored. */
@Injectable()
export class RunPolicyTests {
  constructor(
    private readonly database: PolicyDatabase,
    private readonly compiler: CompileDocuments,
    private readonly config: PolicyConfig,
  ) {}

  async run(raw: readonly unknown[], { neighbours, onlyGiven }: TestQuery): Promise<PolicyTestsAnswer> {
    const { publicUrl } = this.config;
    const { newest, documents: stored } = await this.database.transaction(loadState, READ_LIMIT);
    const base = onlyGiven ? [] : stored;
    const wanted = { ...changes, remove: [] };
    const given = validateDocuments({ raw, stored: base, wanted, publicUrl });
    const tests = policyTestsIn(raw).map(({ test }) => test);
    if (tests.length === 0) throw new ProblemError('invalid-document', 'There is no PolicyTest in the body.');
    const documents = resultingDocuments(base, { given, deleted: [] });
    const revision = newest.number;
    // Documents alone are tried without what this deployment knows: their result is the same everywhere.
    const snapshot = onlyGiven
      ? compileSnapshot({ documents, publicUrl, revision })
      : this.compiler.compile(documents, revision);
    return answerOf(snapshot, tests, { neighbours, now: Math.floor(Date.now() / 1000) });
  }
}

interface RunOptions {
  neighbours: boolean;
  /** Epoch seconds. */
  now: number;
}

function answerOf(snapshot: Snapshot, tests: readonly PolicyTest[], options: RunOptions): PolicyTestsAnswer {
  const cases = tests.flatMap((test) => casesOf(snapshot, test, options));
  const passed = cases.filter((item) => item.passed).length;
  const scores = cases.flatMap((item) => item.neighbours ?? []);
  const sum = (member: 'total' | 'refused') => scores.reduce((all, score) => all + score[member], 0);
  return {
    revision: snapshot.revision,
    passed: passed === cases.length,
    cases,
    summary: {
      cases: cases.length,
      passed,
      failed: cases.length - passed,
      neighbours: options.neighbours ? { total: sum('total'), refused: sum('refused') } : null,
    },
  };
}

const casesOf = (snapshot: Snapshot, test: PolicyTest, { neighbours, now }: RunOptions): PolicyTestCaseAnswer[] =>
  runPolicyTest(snapshot, test, now).flatMap(({ name, passed, actual, mismatches }, index) => {
    const testCase = test.cases[index];
    if (testCase === undefined) return [];
    const isScored = neighbours && passed && actual.outcome === 'granted' && actual.decision !== false;
    const { expect: expected } = testCase;
    const score = isScored ? scoreNearMisses(snapshot, testCase, now) : null;
    return [{ test: test.name, name, passed, expected, actual, mismatches, neighbours: score }];
  });
