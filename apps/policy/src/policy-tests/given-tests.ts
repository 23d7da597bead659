import { parsePolicyTest, type ApplyAnswer, type DocumentError } from '@countersign/contracts';
import { ProblemError } from '@countersign/platform';
import { runPolicyTest, type PolicyTest, type PolicyTestResult, type Snapshot } from '@countersign/policy-engine';
import type { ChangeRequest } from '../documents/apply-documents';
import type { CompileDocuments } from '../snapshot/compile-documents';

/** A PolicyTest and its place in the request. */
interface GivenTest {
  index: number;
  test: PolicyTest;
}

/** The PolicyTests among the documents of a request that passed validation. */
export const policyTestsIn = (raw: readonly unknown[]): GivenTest[] =>
  raw.flatMap((document, index) => {
    const result = parsePolicyTest(document);
    return result.ok ? [{ index, test: result.test }] : [];
  });

/** What the PolicyTests among the documents of an apply mean for it: they are required to pass, or only named. */
export function testsOf(
  raw: readonly unknown[],
  required: 'require' | undefined,
  compiler: Pick<CompileDocuments, 'compile'>,
): { condition: Pick<ChangeRequest, 'postcondition'>; answer: Pick<ApplyAnswer, 'tests'> } {
  const given = policyTestsIn(raw);
  if (given.length === 0) return { condition: {}, answer: {} };
  const action = required ? ('passed' as const) : ('not_run' as const);
  const tests = given.map(({ test: { name, cases } }) => ({ name, action, cases: cases.length }));
  const postcondition: ChangeRequest['postcondition'] = async (documents, { number }) =>
    requireTests(given, await compiler.compile(documents, number), Math.floor(Date.now() / 1000));
  return { condition: required ? { postcondition } : {}, answer: { tests } };
}

/**
 * Refuses when a case does not come out as it says. `now` in epoch seconds.
 * @throws ProblemError tests-failed, with every case that did not pass
 */
function requireTests(given: readonly GivenTest[], snapshot: Snapshot, now: number): void {
  const errors = given.flatMap(({ index, test }) =>
    runPolicyTest(snapshot, test, now).flatMap((result, place) => failuresOf(result, { index, place, test })),
  );
  if (errors.length === 0) return;
  const cases = new Set(errors.map(({ document, path }) => `${document} ${path.split('/')[3]}`)).size;
  throw new ProblemError('tests-failed', cases === 1 ? '1 case failed' : `${cases} cases failed`, { errors });
}

const failuresOf = (
  { name, mismatches }: PolicyTestResult,
  { index, place, test }: { index: number; place: number; test: PolicyTest },
): DocumentError[] =>
  mismatches.map(({ member, message }) => ({
    document: index,
    kind: test.kind,
    name: test.name,
    path: `/spec/cases/${place}/expect/${member}`,
    code: 'test_failed',
    message: `${name}: ${message}`,
  }));
