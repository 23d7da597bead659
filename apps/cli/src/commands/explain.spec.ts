import type { ExplainAnswer } from '@countersign/contracts';
import { parse } from 'yaml';
import { commandUnderTest } from '../command.fixture';
import type { Terminal } from '../terminal';

const cli = commandUnderTest();

const check = (key: string, expected: string, actual: string | null) => ({
  path: `/spec/condition/StringEqual/${key}`,
  operator: 'StringEqual',
  key,
  expected: [expected],
  actual,
  present: actual !== null,
  matched: expected === actual,
});
const denied: ExplainAnswer = {
  ...{
    outcome: 'denied',
    stage: 'decide',
    class: 'not authorized',
    reason: 'no_matching_role',
    detail: 'no role fits',
  },
  ...{ issuer: 'github', subject: 'repo:acme/web:ref:refs/heads/dev', verified: true, revision: 12 },
  request: { audience: [], scope: null, sourceIp: null, time: '2026-11-20T10:00:00.000Z' },
  ...{ ifVerified: null, rolesLeftOut: 0, statements: [], permission: null, recorded: null },
  roles: [
    {
      ...{ name: 'deploy', matched: false, shadow: false },
      checks: [check('jwt:iss', 'https://x', 'https://x'), check('jwt:ref', 'refs/heads/main', 'refs/heads/dev')],
    },
    { name: 'release', matched: false, shadow: true, checks: [check('jwt:environment', 'prod', null)] },
  ],
  nearestMiss: {
    ...{ role: 'deploy', failedChecks: 1, findings: [] },
    edit: { op: 'add', path: '/spec/condition/StringEqual/jwt:ref/-', value: 'refs/heads/dev' },
    alsoAdmits: {
      ...{ count: 14, sample: ['repo:acme/api:ref:refs/heads/dev'] },
      ...{ from: '2026-10-21T10:00:00.000Z', to: '2026-11-20T10:00:00.000Z' },
    },
  },
};

beforeEach(() => cli.answer(denied));

const { file } = cli;
const readStdin = (): Promise<string> => Promise.resolve('{"iss":"from stdin"}');
const run = (args: string[], changes: Partial<Terminal> = {}) =>
  cli.run(['explain', ...args], { readStdin, ...changes });

describe('countersign explain', () => {
  it.each<[string, string[], object]>([
    ['claims of a file', ['--claims', 'claims.json'], { claims: { iss: 'x' } }],
    ['claims of standard input', ['--claims', '-'], { claims: { iss: 'from stdin' } }],
    ['a token', ['--token-file', 'token'], { token: 'a.b.c' }],
    ['an attempt by its trace', ['--trace-id', 't'], { traceId: 't' }],
    ['an attempt by its event', ['--event-id', 'e'], { eventId: 'e' }],
    [
      'what is asked for',
      ['--event-id', 'e', '--audience', 'a', '--audience', 'b', '--scope', 'role:r', '--source-ip', '10.0.0.1'],
      { eventId: 'e', audience: ['a', 'b'], scope: 'role:r', sourceIp: '10.0.0.1' },
    ],
    [
      'an action at a time',
      ['--event-id', 'e', '--action', 'A:B', '--resource', 'n:x', '--time', '2026-01-01T00:00:00Z'],
      { eventId: 'e', time: '2026-01-01T00:00:00Z', action: 'A:B', resource: 'n:x' },
    ],
  ])('sends %s', async (_, args, body) => {
    file('claims.json', '{"iss":"x"}');
    file('token', 'a.b.c\n');
    expect((await run(args)).code).toBe(0);
    expect(cli.seen[0]?.line).toBe('POST /v1/explain');
    expect(JSON.parse(cli.seen[0]?.body ?? '')).toEqual(body);
  });

  it('shows the outcome, the roles with the checks that fail, and the nearest miss', async () => {
    const { code, out } = await run(['--claims', '-']);
    expect(code).toBe(0);
    expect(out).toBe(`denied at decide: no_matching_role (no role fits)
repo:acme/web:ref:refs/heads/dev of github, with revision 12

✗ role deploy
     KEY      OPERATOR     EXPECTED         ACTUAL
  ✓  jwt:iss  StringEqual  https://x        https://x
  ✗  jwt:ref  StringEqual  refs/heads/main  refs/heads/dev
✗ role release (shadow: grants nothing)
     KEY              OPERATOR     EXPECTED  ACTUAL
  ✗  jwt:environment  StringEqual  prod      (missing)

nearest miss: Role deploy: add refs/heads/dev to /spec/condition/StringEqual/jwt:ref
would also admit 14 others seen since 2026-10-21
  repo:acme/api:ref:refs/heads/dev
`);
  });

  it('has colour on a terminal alone', async () => {
    expect((await run(['--claims', '-'], { isTty: true })).out).toContain('\u001b[31m✗\u001b[39m');
    expect((await run(['--claims', '-'])).out).not.toContain('\u001b');
  });

  it.each<[string, Partial<ExplainAnswer>, string[]]>([
    [
      'a token that did not verify',
      {
        ...{ stage: 'verify', reason: 'expired', detail: null, verified: false, nearestMiss: null },
        ifVerified: { outcome: 'granted', stage: 'granted', class: null, reason: null, detail: null },
      },
      ['denied at verify: expired\n', 'not verified: anybody', 'had it been verified: granted\n'],
    ],
    [
      'no single edit',
      { nearestMiss: { ...denied.nearestMiss!, failedChecks: 2, edit: null } },
      ['nearest miss: Role deploy: 2 checks fail; no single edit admits this\n'],
    ],
    [
      'an edit that takes away, and what lint says',
      {
        nearestMiss: {
          ...denied.nearestMiss!,
          edit: { op: 'remove', path: '/spec/condition/StringNotEqual/jwt:ref/0' },
          findings: [
            {
              ...{ rule: 'CS004', severity: 'warning', path: '', message: 'wide', admits: [], fix: '' },
              resource: { kind: 'Role', name: 'deploy' },
            },
          ],
          alsoAdmits: { ...denied.nearestMiss!.alsoAdmits, count: 0, sample: [] },
        },
      },
      ['remove /spec/condition/StringNotEqual/jwt:ref/0\n', 'nobody else seen since', 'lint warning CS004: wide\n'],
    ],
    [
      'statements',
      {
        ...{ outcome: 'granted', stage: 'granted', reason: null, detail: null, nearestMiss: null },
        permission: { action: 'A:B', resource: 'n:x', allowed: false },
        statements: [{ policy: 'p', sid: 's', effect: 'Deny', applies: true, checks: [] }],
      },
      ['granted\n', '✗ A:B on n:x\n', 'Deny s of policy p applies\n'],
    ],
    [
      'an attempt of the past',
      {
        recorded: {
          ...{ outcome: 'granted', stage: 'granted', class: null, reason: null, detail: null, roles: [] },
          ...{ revision: 7, eventId: 'e', traceId: 't', time: '2026-11-19T10:00:00.000Z' },
        },
      },
      ['recorded at 2026-11-19T10:00:00.000Z with revision 7: granted\n'],
    ],
    ['roles that are left out', { rolesLeftOut: 7 }, ['7 more roles of this issuer are further away\n']],
    [
      'control characters of strangers',
      { subject: 'x\u001b[2J', roles: [{ ...denied.roles[0]!, checks: [check('jwt:ref', 'a', 'b\u0007')] }] },
      ['x�[2J of github', 'b�'],
    ],
  ])('shows %s', async (_, changes, texts) => {
    cli.answer({ ...denied, ...changes });
    const { out } = await run(['--claims', '-']);
    for (const text of texts) expect(out).toContain(text);
  });

  it.each([
    ['json', (text: string) => JSON.parse(text) as unknown],
    ['yaml', (text: string) => parse(text) as unknown],
  ])('prints the whole answer as %s', async (output, read) => {
    expect(read((await run(['--claims', '-', '--output', output])).out)).toEqual(denied);
  });

  it.each<[string, string[], number]>([
    ['no source', [], 2],
    ['two sources', ['--claims', '-', '--trace-id', 't'], 2],
    ['a file that is not there', ['--claims', 'nowhere.json'], 2],
    ['claims that are not JSON', ['--claims', 'token'], 2],
  ])('ends with usage for %s', async (_, args, code) => {
    file('token', 'a.b.c');
    expect((await run(args)).code).toBe(code);
    expect(cli.seen).toEqual([]);
  });

  it('ends with 1 when there is no such attempt, and says so', async () => {
    const problem = { type: 'x', title: 'Not found', status: 404, detail: 'No such attempt', traceId: 't' };
    cli.answer(problem, 404);
    const { code, err } = await run(['--trace-id', 't']);
    expect(code).toBe(1);
    expect(err).toContain('No such attempt');
  });
});
