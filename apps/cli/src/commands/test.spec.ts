import { parseAllDocuments } from 'yaml';
import { commandUnderTest } from '../command.fixture';

const cli = commandUnderTest();
const { file } = cli;
const run = (...args: string[]) => cli.run(args);

beforeEach(() => cli.answer(answerOf([passed])));

const actual = {
  outcome: 'granted',
  reason: null,
  detail: null,
  issuer: 'github',
  roles: ['deploy'],
  policies: ['p'],
  decision: null,
};
const passed = { test: 'deploys', name: 'main', passed: true, expected: {}, actual, mismatches: [], neighbours: null };
const failed = {
  ...passed,
  name: 'dev',
  passed: false,
  actual: { ...actual, outcome: 'denied', reason: 'no_matching_role', roles: [] },
  mismatches: [{ member: 'outcome', message: 'expected granted, was denied' }],
};
const slipped = [
  { claim: 'ref', from: 'refs/heads/main', to: 'refs/heads/main2', roles: ['deploy'] },
  { claim: 'environment', from: 'prod', to: null, roles: ['deploy'] },
];
const scored = { ...passed, neighbours: { total: 4, refused: 2, slipped } };

const answerOf = (cases: { passed: boolean }[], neighbours: object | null = null): object => {
  const good = cases.filter((item) => item.passed).length;
  const summary = { cases: cases.length, passed: good, failed: cases.length - good, neighbours };
  return { revision: 3, passed: good === cases.length, cases, summary };
};

const head = 'apiVersion: countersign.dev/v1\nkind: PolicyTest\nmetadata: { name: deploys }\n';
const sent = (): unknown[] => parseAllDocuments(cli.seen[0]?.body ?? '').map((item) => item.toJS() as unknown);

test('every case has its line, and all that pass end with 0', async () => {
  file('tests.yaml', `${head}spec: {}\n`);
  const { code, out } = await run('test', 'tests.yaml');
  expect([code, cli.seen[0]?.url]).toEqual([0, '/v1/test']);
  expect(out).toBe('deploys\n  ✓ main  granted by deploy\n1 of 1 case passed\n');
});

test('a case that fails says what came out, and ends with 1', async () => {
  cli.answer(answerOf([passed, failed]));
  file('tests.yaml', `${head}spec: {}\n`);
  const { code, out, err } = await run('test', 'tests.yaml');
  expect(code).toBe(1);
  expect(out).toContain('  ✗ dev  denied: no_matching_role\n      expected granted, was denied\n');
  expect(err).toContain('1 of 2 cases failed');
});

test('near misses that slip through are a table, with the score', async () => {
  cli.answer(answerOf([scored], { total: 4, refused: 2 }));
  file('tests.yaml', `${head}spec: {}\n`);
  const { code, out } = await run('test', '--neighbours', '--only-given', 'tests.yaml');
  expect([code, cli.seen[0]?.url]).toEqual([0, '/v1/test?neighbours=true&onlyGiven=true']);
  expect(out).toMatch(/^deploys: main {2}ref +refs\/heads\/main +refs\/heads\/main2 +deploy$/m);
  expect(out).toMatch(/^deploys: main {2}environment +prod +\(left out\) +deploy$/m);
  expect(out).toContain('2 of 4 near misses refused\n');
});

test.each([
  ['50', 0],
  ['50.1', 1],
])('--min-score %s ends with %d where half of them are refused', async (wanted, expected) => {
  cli.answer(answerOf([scored], { total: 4, refused: 2 }));
  file('tests.yaml', `${head}spec: {}\n`);
  const { code } = await run('test', 'tests.yaml', '--min-score', wanted);
  expect([code, cli.seen[0]?.url]).toEqual([expected, '/v1/test?neighbours=true']);
});

test('claims are read from the files that the tests name, seen from where they stand', async () => {
  file('policies/role.yaml', 'kind: Role\nspec: { id: 0123 }\n');
  file(
    'policies/tests.yaml',
    `${head}spec: { claimsFile: claims.json, cases: [{ name: a, claimsFile: ../b.json, change: { id: 0123 } }] }\n---\nkind: Policy\n`,
  );
  file('policies/claims.json', '{"sub":"x","id":"0123"}');
  file('b.json', '{"sub":"y"}');
  await run('test', 'policies');
  const cases = [{ name: 'a', claims: { sub: 'y' }, change: { id: '0123' } }];
  expect(sent()).toEqual([
    { kind: 'Role', spec: { id: 123 } },
    {
      apiVersion: 'countersign.dev/v1',
      kind: 'PolicyTest',
      metadata: { name: 'deploys' },
      spec: { claims: { sub: 'x', id: '0123' }, cases },
    },
    { kind: 'Policy' },
  ]);
});

test.each<[string, string, RegExp]>([
  ['a file that is not there', 'spec: { claimsFile: nowhere.json }\n', /cannot read .*nowhere\.json/],
  ['a file that holds no claims', 'spec: { claimsFile: list.json }\n', /one JSON object of claims/],
  ['claims and a file', 'spec: { claims: {}, claimsFile: list.json }\n', /claims and claimsFile/],
])('%s is a usage error', async (_, spec, message) => {
  file('list.json', '[]');
  file('tests/tests.yaml', `${head}${spec}`.replace('list.json', '../list.json'));
  const { code, err } = await run('test', 'tests');
  expect([code, cli.seen.length]).toEqual([2, 0]);
  expect(err).toMatch(message);
});

test.each([[['test']], [['test', 'x.yaml', '--min-score', 'much']], [['test', 'x.yaml', '--min-score', '101']]])(
  '%p is a usage error',
  async (args) => {
    file('x.yaml', `${head}spec: {}\n`);
    expect((await run(...args)).code).toBe(2);
  },
);

test('apply asks for the tests to pass, and shows what was not run', async () => {
  file('tests.yaml', `${head}spec: {}\n`);
  const tests = [{ name: 'deploys', action: 'passed', cases: 1 }];
  const applied = { revision: 4, dryRun: false, results: [], findings: [], tests };
  cli.answer(applied);
  const { code, out } = await run('apply', '-f', 'tests.yaml', '--test');
  expect([code, cli.seen[0]?.url, out]).toEqual([
    0,
    '/v1/apply?test=require',
    'PolicyTest/deploys passed\nrevision 4\n',
  ]);
  cli.answer({ ...applied, tests: [{ name: 'deploys', action: 'not_run', cases: 1 }] });
  expect((await run('apply', '-f', 'tests.yaml')).out).toContain('PolicyTest/deploys not run (--test runs it)\n');
});

test('a case that keeps documents from being applied is named with its file', async () => {
  const error = {
    document: 0,
    kind: 'PolicyTest',
    name: 'deploys',
    path: '/spec/cases/0/expect/outcome',
    code: 'test_failed',
    message: 'dev: expected denied, was granted',
  };
  const problem = { title: 'Policy tests failed', detail: '1 case failed', status: 422, traceId: 'f'.repeat(32) };
  cli.answer({ ...problem, errors: [error] }, 422);
  const { code, err } = await run('apply', '--test', '-f', file('tests.yaml', `${head}spec: {}\n`));
  expect(code).toBe(1);
  expect(err).toContain(
    'tests.yaml  PolicyTest/deploys  /spec/cases/0/expect/outcome  dev: expected denied, was granted',
  );
});
