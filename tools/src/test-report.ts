/** What Jest writes with `--json`, as far as we read it. */
export interface TestReport {
  testResults: FileResult[];
}

export interface FileResult {
  /** Absolute path. */
  name: string;
  status: string;
  assertionResults: { ancestorTitles: string[]; title: string; status: string }[];
}

export interface TestSummary {
  passed: number;
  failed: number;
  /** Files that failed the first time and not the second. */
  flaky: string[];
}

/** Files with a failed test, and files that could not even run; each once. */
export const failedFiles = ({ testResults }: TestReport): string[] => [
  ...new Set(testResults.filter(({ status }) => status === 'failed').map(({ name }) => name)),
];

/**
 * Totals over a run and the second run of its failed files: a test has failed when it failed both times. A file that
 * could not run counts as one failed test.
 */
export function summarise(first: TestReport, second: TestReport = { testResults: [] }): TestSummary {
  const again = outcomesOf(second);
  const outcomes = [...outcomesOf(first)].flatMap(([name, earlier]) => merged(earlier, again.get(name)));
  const stillFailing = failedFiles(second);
  return {
    passed: outcomes.filter((outcome) => outcome === 'passed').length,
    failed: outcomes.filter((outcome) => outcome === 'failed').length,
    flaky: failedFiles(first).filter((name) => again.has(name) && !stillFailing.includes(name)),
  };
}

/** The outcome of each test by its name; `null` for a file that could not run. */
type Outcomes = Map<string, string> | null;

function outcomesOf({ testResults }: TestReport): Map<string, Outcomes> {
  return new Map(testResults.map((file) => [file.name, outcomesIn(file)]));
}

function outcomesIn({ status, assertionResults }: FileResult): Outcomes {
  if (status === 'failed' && assertionResults.length === 0) return null;
  const outcomes = new Map<string, string>();
  for (const test of assertionResults) {
    const name = JSON.stringify([...test.ancestorTitles, test.title]);
    // Names need not be unique: the second of a name is a test of its own.
    let key = name;
    for (let n = 2; outcomes.has(key); n += 1) key = `${name} ${n}`;
    outcomes.set(key, test.status);
  }
  return outcomes;
}

function merged(first: Outcomes, second: Outcomes | undefined): string[] {
  if (first === null) return second ? [...second.values()] : ['failed'];
  return [...first].map(([name, outcome]) => (outcome === 'failed' ? (second?.get(name) ?? outcome) : outcome));
}
