import type { SimulationAnswer } from '@countersign/contracts';
import { commandUnderTest } from '../command.fixture';

const cli = commandUnderTest();

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
  cli.answer(different);
  cli.file('docs.yaml', 'kind: Role\nspec: { id: 0123 }\n---\nkind: Policy\n');
});

const run = (args: string[], isTty = false) => cli.run(['simulate', ...args], { isTty });
const sent = (): Record<string, unknown> => JSON.parse(cli.seen[0]?.body ?? '') as Record<string, unknown>;

test('the documents are sent as the server would read them, and the numbers come first', async () => {
  const { code, out } = await run(['-f', 'docs.yaml']);
  expect(code).toBe(0);
  expect(cli.seen).toMatchObject([{ line: 'POST /v1/simulate', headers: { 'content-type': 'application/json' } }]);
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
  cli.answer(same);
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
  expect(cli.seen).toEqual([]);
});

test.each<[string, SimulationAnswer, number]>([
  ['decisions would change', different, 1],
  ['only grants would', { ...different, newlyAllowed: none, newlyDenied: none }, 0],
  ['nothing would', same, 0],
])('with --fail-on-change, where %s', async (_, body, wanted) => {
  cli.answer(body);
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
  const problem = {
    type: 'https://countersign.dev/problems/invalid-document',
    title: 'Invalid document',
    status: 422,
    detail: '1 error',
    traceId: 't',
    errors,
  };
  cli.answer(problem, 422);
  const { code, err } = await run(['-f', 'docs.yaml']);
  expect(code).toBe(1);
  expect(err).toContain('docs.yaml (document 1)');
  expect(err).toContain('/spec/polcy');
});
