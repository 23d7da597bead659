import { commandUnderTest } from '../command.fixture';

const cli = commandUnderTest();

const finding = (severity: string, rule = 'CS003') => ({
  ...{ rule, severity, resource: { kind: 'Role', name: 'deploy' }, path: '/spec/condition' },
  ...{ message: 'the wildcard goes on', admits: ['repo:acme-evil/x:y'], fix: 'End the name.' },
});

beforeEach(() => cli.answer({ findings: [finding('error'), finding('info', 'CS013')] }));

const readStdin = (): Promise<string> => Promise.resolve('{kind: Role}');
const run = (args: string[], isTty = false) => cli.run(['lint', ...args], { readStdin, isTty });

const role = (subject: string): string => `
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: deploy }
spec:
  policy: p
  condition: { StringEqual: { jwt:iss: https://token.actions.githubusercontent.com }, StringLike: { jwt:sub: '${subject}' } }
`;

test('findings are a table for each document, and an error ends with 1', async () => {
  const { code, out, err } = await run(['-']);
  expect(cli.seen).toMatchObject([{ line: 'POST /v1/lint', body: '{kind: Role}\n' }]);
  expect(out).toBe(
    [
      'Role/deploy',
      '  SEVERITY  RULE   PATH             MESSAGE',
      '  error     CS003  /spec/condition  the wildcard goes on',
      '                   admits           repo:acme-evil/x:y',
      '                   fix              End the name.',
      '  info      CS013  /spec/condition  the wildcard goes on',
      '                   admits           repo:acme-evil/x:y',
      '                   fix              End the name.',
      '',
      '1 error, 0 warning, 1 info',
      '',
    ].join('\n'),
  );
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('--allow CS003') });
});

test('severities have colours on a terminal', async () => {
  expect((await run(['-'], true)).out).toMatch(/\u001b\[31merror\u001b\[39m {5}CS003/);
});

test.each<[string, string[], object[], number]>([
  ['an error that is meant', ['-', '--allow', 'CS001', '--allow', 'CS003'], [finding('error')], 0],
  ['with commas', ['-', '--allow', 'CS001,CS003'], [finding('error')], 0],
  ['an error beside it', ['-', '--allow', 'CS001'], [finding('error')], 1],
  ['an error that the document allows', ['-'], [{ ...finding('error'), allowed: true }], 0],
  ['warnings', ['-'], [finding('warning')], 0],
  ['nothing', ['-', '-o', 'json'], [], 0],
])('%s: exit code', async (_, args, findings, code) => {
  cli.answer({ findings });
  expect((await run(args)).code).toBe(code);
});

test('without files everything that is stored is linted', async () => {
  await run([]);
  expect(cli.seen).toMatchObject([{ line: 'POST /v1/lint', body: '' }]);
});

test('documents that are not valid are refused, with their file', async () => {
  const error = { document: 0, kind: 'Role', name: 'deploy', path: '/spec', code: 'x', message: 'is wrong' };
  const problem = { title: 'Invalid document', status: 422, detail: '1 error', traceId: 'f', errors: [error] };
  cli.answer(problem, 422);
  cli.file('role.yaml', role('x'));
  expect(await run(['role.yaml'])).toMatchObject({
    code: 1,
    err: expect.stringContaining('role.yaml  Role/deploy  /spec'),
  });
});

describe('--offline', () => {
  test('finds the same without a server', async () => {
    cli.file('role.yaml', role('repo:acme*'));
    const { code, out } = await run(['role.yaml', '--offline']);
    expect(cli.seen).toEqual([]);
    expect({ code, out }).toEqual({ code: 1, out: expect.stringContaining('repo:acme-evil/x:ref:refs/heads/main') });
  });

  test('allows what is meant', async () => {
    cli.file('role.yaml', role('repo:acme*'));
    expect((await run(['--allow', 'CS003', 'role.yaml', '--offline'])).code).toBe(0);
  });

  test.each<[string, string, string[], number]>([
    ['a document that is not valid', role('*'), ['role.yaml'], 1],
    ['no document', '', [], 2],
  ])('%s', async (_, text, paths, code) => {
    cli.file('role.yaml', text);
    expect((await run(['--offline', ...paths])).code).toBe(code);
  });
});
