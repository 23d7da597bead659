import type { SimulationAnswer } from '@countersign/contracts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../program';

let server: Server;
let url: string;
let requests: { line: string; type: string | undefined; body: string }[];
let answer: { status: number; body: object };
let folder: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      requests.push({ line: `${request.method} ${request.url}`, type: request.headers['content-type'], body });
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => new Promise((resolve) => server.close(resolve)));

const none = { count: 0, groupCount: 0, groups: [] };
const group = (subject: string, count: number) => ({
  ...{ issuer: 'github', subject, count, roles: ['deploy'], eventIds: ['e9', 'e1'] },
  statements: [
    { policy: 'p', sid: 's' },
    { policy: 'q', sid: null },
  ],
});
const same: SimulationAnswer = {
  ...{ from: '2026-01-01T00:00:00.000Z', to: '2026-01-31T00:00:00.000Z', evaluated: 10, skipped: 2 },
  ...{ newlyAllowed: none, newlyDenied: none, unchanged: { count: 10 }, changedGrants: none },
};
const different: SimulationAnswer = {
  ...same,
  newlyAllowed: { count: 1, groupCount: 1, groups: [group('repo:evil/web', 1)] },
  newlyDenied: { count: 4, groupCount: 7, groups: [group('repo:acme/api', 3), { ...group('', 1), roles: [] }] },
  unchanged: { count: 5 },
  changedGrants: { count: 2, groupCount: 1, groups: [group('repo:acme/web', 2)] },
};

beforeEach(() => {
  requests = [];
  answer = { status: 200, body: different };
  folder = mkdtempSync(join(tmpdir(), 'countersign-simulate-'));
  writeFileSync(join(folder, 'docs.yaml'), 'kind: Role\nspec: { id: 0123 }\n---\nkind: Policy\n');
});

afterEach(() => rmSync(folder, { recursive: true }));

async function run(args: string[], isTty = false) {
  let out = '';
  let err = '';
  const code = await runProgram(
    {
      ...{ env: { COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: 'secret' }, cwd: folder, isTty },
      readStdin: () => Promise.resolve(''),
      write: (text) => (out += text),
      writeError: (text) => (err += text),
    },
    ['simulate', ...args],
  );
  return { code, out, err };
}

const sent = (): Record<string, unknown> => JSON.parse(requests[0]?.body ?? '') as Record<string, unknown>;

test('the documents are sent as the server would read them, and the numbers come first', async () => {
  const { code, out } = await run(['-f', 'docs.yaml']);
  expect(code).toBe(0);
  expect(requests).toMatchObject([{ line: 'POST /v1/simulate', type: 'application/json' }]);
  expect(sent()).toEqual({ documents: [{ kind: 'Role', spec: { id: '0123' } }, { kind: 'Policy' }] });
  expect(out).toBe(
    [
      '10 exchanges: 1 newly allowed, 4 newly denied, 5 unchanged (2 by another grant)',
      '2026-01-01T00:00:00.000Z to 2026-01-31T00:00:00.000Z, 2 not decided by policy and left out',
      '',
      'newly allowed',
      'COUNT  ISSUER  SUBJECT        ROLES   STATEMENTS  LAST EVENT',
      '1      github  repo:evil/web  deploy  p: s, q     e9',
      '',
      'newly denied',
      'COUNT  ISSUER  SUBJECT        ROLES   STATEMENTS  LAST EVENT',
      '3      github  repo:acme/api  deploy  p: s, q     e9',
      '1      github  -              -       p: s, q     e9',
      'and 5 more',
      '',
      'allowed as before, by another grant',
      'COUNT  ISSUER  SUBJECT        ROLES   STATEMENTS  LAST EVENT',
      '2      github  repo:acme/web  deploy  p: s, q     e9',
      '',
    ].join('\n'),
  );
});

test('where nothing changes there are only the numbers', async () => {
  answer.body = same;
  const { out } = await run(['-f', 'docs.yaml']);
  expect(out.split('\n')).toHaveLength(3);
  expect(out).toContain('10 exchanges: 0 newly allowed, 0 newly denied, 10 unchanged\n');
});

test('the range may be given as ages or times, and all options go along', async () => {
  const before = Date.now();
  await run([
    '-f',
    'docs.yaml',
    '--from',
    '90d',
    '--to',
    '2026-01-31T12:00:00+02:00',
    '--prune',
    '--owner',
    'directory',
  ]);
  const { from, documents: _, ...rest } = sent();
  expect(rest).toEqual({ to: '2026-01-31T10:00:00.000Z', prune: true, owner: 'directory' });
  const age = before - Date.parse(String(from));
  expect(Math.abs(age - 90 * 86_400_000)).toBeLessThan(60_000);
});

test.each([
  ['--from', 'yesterday'],
  ['--from', '30'],
  ['--to', '12:00'],
  ['--owner', 'me'],
  ['--output', 'xml'],
])('%s %s is a usage error', async (...args) => {
  expect(await run(['-f', 'docs.yaml', ...args])).toMatchObject({ code: 2 });
  expect(requests).toEqual([]);
});

test.each<[string, SimulationAnswer, number]>([
  ['decisions would change', different, 1],
  ['only grants would', { ...different, newlyAllowed: none, newlyDenied: none }, 0],
  ['nothing would', same, 0],
])('with --fail-on-change, where %s', async (_, body, wanted) => {
  answer.body = body;
  const { code, out, err } = await run(['-f', 'docs.yaml', '--fail-on-change']);
  expect(code).toBe(wanted);
  expect(out).toContain('10 exchanges');
  expect(err).toContain(wanted === 1 ? 'decisions would change: 1 newly allowed, 4 newly denied' : '');
});

test('json and yaml are the answer, whole', async () => {
  expect(JSON.parse((await run(['-f', 'docs.yaml', '-o', 'json'])).out)).toEqual(different);
  expect((await run(['-f', 'docs.yaml', '-o', 'yaml'])).out).toContain('newlyAllowed:\n  count: 1\n');
});

test('colours on a terminal, none elsewhere', async () => {
  expect((await run(['-f', 'docs.yaml'], true)).out).toMatch(/\u001b\[31mnewly denied/);
  expect((await run(['-f', 'docs.yaml'])).out).not.toContain('\u001b');
});

test('what the server refuses names the file and the field', async () => {
  const errors = [
    { document: 0, kind: 'Role', name: 'deploy', path: '/spec/polcy', code: 'unknown_field', message: 'm' },
  ];
  answer = {
    status: 422,
    body: {
      type: 'https://countersign.dev/problems/invalid-document',
      title: 'Invalid document',
      status: 422,
      detail: '1 error',
      traceId: 't',
      errors,
    },
  };
  const { code, err } = await run(['-f', 'docs.yaml']);
  expect(code).toBe(1);
  expect(err).toContain('docs.yaml (document 1)');
  expect(err).toContain('/spec/polcy');
});
