import { failedFiles, summarise, type FileResult, type TestReport } from './test-report';

/** A file whose tests `a`, `b`, … came out like this; one without tests could not run. */
const file = (name: string, ...outcomes: string[]): FileResult => ({
  name,
  status: outcomes.length === 0 || outcomes.includes('failed') ? 'failed' : 'passed',
  assertionResults: outcomes.map((status, index) => ({ ancestorTitles: ['x'], title: 'abcdef'[index] ?? '', status })),
});
const report = (...testResults: FileResult[]): TestReport => ({ testResults });

const good = file('good', 'passed', 'passed', 'pending');

it.each<[string, TestReport, TestReport | undefined, ReturnType<typeof summarise>]>([
  ['nothing failed', report(good), undefined, { passed: 2, failed: 0, flaky: [] }],
  [
    'what failed passes the second time',
    report(good, file('shy', 'passed', 'failed')),
    report(file('shy', 'passed', 'passed')),
    { passed: 4, failed: 0, flaky: ['shy'] },
  ],
  [
    'what failed fails again',
    report(good, file('bad', 'passed', 'failed')),
    report(file('bad', 'passed', 'failed')),
    { passed: 3, failed: 1, flaky: [] },
  ],
  [
    'another test of the file fails the second time',
    report(file('odd', 'passed', 'failed')),
    report(file('odd', 'failed', 'passed')),
    { passed: 2, failed: 0, flaky: [] },
  ],
  ['a file cannot run', report(good, file('broken')), undefined, { passed: 2, failed: 1, flaky: [] }],
  ['a file cannot run twice', report(file('broken')), report(file('broken')), { passed: 0, failed: 1, flaky: [] }],
  [
    'a file can run the second time only',
    report(file('late')),
    report(file('late', 'passed', 'passed')),
    { passed: 2, failed: 0, flaky: ['late'] },
  ],
  [
    'a file can run the first time only',
    report(file('gone', 'passed', 'failed')),
    report(file('gone')),
    { passed: 1, failed: 1, flaky: [] },
  ],
  ['it was not tried again', report(file('bad', 'failed')), report(), { passed: 0, failed: 1, flaky: [] }],
])('%s', (_, first, second, summary) => {
  expect(summarise(first, second)).toEqual(summary);
});

it('tests of one name are told apart', () => {
  const twins = (...outcomes: string[]): FileResult => ({
    ...file('twins', ...outcomes),
    assertionResults: outcomes.map((status) => ({ ancestorTitles: [], title: 'same', status })),
  });
  expect(summarise(report(twins('passed', 'failed')), report(twins('passed', 'passed')))).toEqual({
    passed: 2,
    failed: 0,
    flaky: ['twins'],
  });
  expect(summarise(report(twins('failed', 'failed')), report(twins('passed', 'failed'))).failed).toBe(1);
});

it('failed files are those with a failed test and those that could not run, each once', () => {
  expect(failedFiles(report(good, file('bad', 'failed'), file('broken'), file('bad', 'failed')))).toEqual([
    'bad',
    'broken',
  ]);
});
