import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../program';

let server: Server;
let url: string;
let requests: string[];
let answer: { status: number; body: object };
let folder: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      requests.push(`${request.method} ${request.url} ${body}`);
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => new Promise((resolve) => server.close(resolve)));

const finding = (severity: string, rule = 'CS003') => ({
  ...{ rule, severity, resource: { kind: 'Role', name: 'deploy' }, path: '/spec/condition' },
  ...{ message: 'the wildcard goes on', admits: ['repo:acme-evil/x:y'], fix: 'End the name.' },
});

beforeEach(() => {
  requests = [];
  answer = { status: 200, body: { findings: [finding('error'), finding('info', 'CS013')] } };
  folder = mkdtempSync(join(tmpdir(), 'countersign-lint-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

async function run(args: string[], isTty = false) {
  let out = '';
  let err = '';
  const code = await runProgram(
    {
      ...{ env: { COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: 'secret' }, cwd: folder, isTty },
      readStdin: () => Promise.resolve('{kind: Role}'),
      write: (text) => (out += text),
      writeError: (text) => (err += text),
    },
    ['lint', ...args],
  );
  return { code, out, err };
}

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
  expect(requests).toEqual(['POST /v1/lint {kind: Role}\n']);
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
  answer = { status: 200, body: { findings } };
  expect((await run(args)).code).toBe(code);
});

test('without files everything that is stored is linted', async () => {
  await run([]);
  expect(requests).toEqual(['POST /v1/lint ']);
});

test('documents that are not valid are refused, with their file', async () => {
  const error = { document: 0, kind: 'Role', name: 'deploy', path: '/spec', code: 'x', message: 'is wrong' };
  const problem = { title: 'Invalid document', status: 422, detail: '1 error', traceId: 'f', errors: [error] };
  answer = { status: 422, body: problem };
  writeFileSync(join(folder, 'role.yaml'), role('x'));
  expect(await run(['role.yaml'])).toMatchObject({
    code: 1,
    err: expect.stringContaining('role.yaml  Role/deploy  /spec'),
  });
});

describe('--offline', () => {
  test('finds the same without a server', async () => {
    writeFileSync(join(folder, 'role.yaml'), role('repo:acme*'));
    const { code, out } = await run(['role.yaml', '--offline']);
    expect(requests).toEqual([]);
    expect({ code, out }).toEqual({ code: 1, out: expect.stringContaining('repo:acme-evil/x:ref:refs/heads/main') });
  });

  test('allows what is meant', async () => {
    writeFileSync(join(folder, 'role.yaml'), role('repo:acme*'));
    expect((await run(['--allow', 'CS003', 'role.yaml', '--offline'])).code).toBe(0);
  });

  test.each<[string, string, string[], number]>([
    ['a document that is not valid', role('*'), ['role.yaml'], 1],
    ['no document', '', [], 2],
  ])('%s', async (_, text, paths, code) => {
    writeFileSync(join(folder, 'role.yaml'), text);
    expect((await run(['--offline', ...paths])).code).toBe(code);
  });
});
