import type { StaleAnswer, WhoCanAnswer } from '@countersign/contracts';
import { commandUnderTest } from '../command.fixture';

const cli = commandUnderTest();
const { run } = cli;

const window = { from: '2026-10-22T00:00:00.000Z', to: '2026-11-21T00:00:00.000Z' };
const whoCan: WhoCanAnswer = {
  revision: 7,
  roles: [
    {
      ...{ name: 'deploy', policy: 'staging', sid: 'create', resourceClaims: ['team'] },
      principal: { 'jwt:sub': ['repo:acme/web:ref:refs/heads/main', 'other'] },
      condition: { StringEqual: { 'jwt:iss': ['https://issuer.example'] } },
      statementCondition: { Bool: { 'context:urgent': ['true'] } },
      deniedBy: [
        {
          role: 'deploy',
          policy: 'staging',
          sid: null,
          condition: { StringEqual: { 'jwt:actor': ['mallory'] } },
          resourceClaims: [],
        },
        { role: 'guests', policy: 'nothing', sid: 'all', condition: null, resourceClaims: [] },
      ],
    },
  ],
  identities: [
    { issuer: 'github', subject: 'repo:acme/web\u001b[2J', roles: ['deploy'], lastSeenAt: window.to, count: 3 },
  ],
  identityCount: 12,
  window,
};

describe('countersign who-can', () => {
  it('prints each role with who has it, if, and unless; then the identities', async () => {
    cli.answer(whoCan);
    const { code, out } = await run(['who-can', 'Function:Create', 'staging:x']);
    expect(code).toBe(0);
    expect(cli.seen).toMatchObject([
      { line: 'POST /v1/who-can', body: '{"action":"Function:Create","resource":"staging:x"}' },
    ]);
    expect(out).toBe(`role deploy  by statement create of policy staging
  who     StringEqual jwt:sub  repo:acme/web:ref:refs/heads/main, other
          StringEqual jwt:iss  https://issuer.example
  if      Bool context:urgent  true
  if      the resource fits the claim team
  unless  denied by a statement of policy staging: StringEqual jwt:actor  mallory
  unless  they also have role guests, denied by statement all of policy nothing

identities seen that may  from ${window.from} to ${window.to}
ISSUER  SUBJECT            ROLES   LAST SEEN                 COUNT
github  repo:acme/web�[2J  deploy  2026-11-21T00:00:00.000Z  3
and 11 more
`);
  });

  it('says so when nobody may', async () => {
    cli.answer({ ...whoCan, roles: [], identities: [], identityCount: 0 });
    const { code, out } = await run(['who-can', 'a', 'b', '--from', window.from]);
    expect(code).toBe(0);
    expect(out).toContain('no role gives this to anybody\n');
    expect(out).toContain('\nnone\n');
    expect(JSON.parse(cli.seen[0]?.body ?? '')).toEqual({ action: 'a', resource: 'b', from: window.from });
  });

  it('colours on a terminal, and prints JSON and YAML', async () => {
    cli.answer(whoCan);
    expect((await run(['who-can', 'a', 'b'], { isTty: true })).out).toContain('\u001b[32mrole deploy');
    expect(JSON.parse((await run(['who-can', 'a', 'b', '-o', 'json'])).out)).toEqual(whoCan);
    expect((await run(['who-can', 'a', 'b', '-o', 'yaml'])).out).toContain('revision: 7\n');
  });
});

const times = { createdAt: '2026-01-01T00:00:00.000Z', lastUsedAt: null };
const stale: StaleAnswer = {
  ...{ revision: 7, days: 90, unusedSince: '2026-08-23T00:00:00.000Z', recordedSince: '2026-02-01T00:00:00.000Z' },
  issuers: [{ name: 'github', iss: 'https://issuer.example', ...times, lastUsedAt: '2026-03-01T00:00:00.000Z' }],
  roles: [
    { name: 'deploy', shadow: false, ...times },
    { name: 'rehearsed', shadow: true, ...times },
  ],
  statements: [
    { policy: 'staging', sid: 'create', effect: 'Allow', ...times },
    { policy: 'staging', sid: null, effect: 'Deny', ...times },
  ],
  counts: { issuers: 1, roles: 4, statements: 2 },
};

describe('countersign stale', () => {
  it('prints one table, and since when uses are known', async () => {
    cli.answer(stale);
    const { code, out } = await run(['stale', '--days', '30']);
    expect(code).toBe(0);
    expect(cli.seen).toMatchObject([{ line: 'GET /v1/stale?days=30' }]);
    expect(out).toBe(`KIND         NAME               LAST USED                 CREATED
issuer       github             2026-03-01T00:00:00.000Z  2026-01-01T00:00:00.000Z
role         deploy             never                     2026-01-01T00:00:00.000Z
shadow role  rehearsed          never                     2026-01-01T00:00:00.000Z
statement    staging: create    never                     2026-01-01T00:00:00.000Z
statement    staging: (no sid)  never                     2026-01-01T00:00:00.000Z
and 2 more

uses are known since 2026-02-01T00:00:00.000Z
`);
  });

  it('asks for 90 days unless told, and says so when everything was of use', async () => {
    const counts = { issuers: 0, roles: 0, statements: 0 };
    cli.answer({ ...stale, issuers: [], roles: [], statements: [], counts });
    const { out } = await run(['stale']);
    expect(cli.seen).toMatchObject([{ url: '/v1/stale?days=90' }]);
    expect(out).toContain('everything was of use within 90 days\n');
  });
});

describe('exit codes', () => {
  it.each<[string, string[], number, number]>([
    ['a question without a resource is a usage error', ['who-can', 'a'], 200, 2],
    ['days that are none are a usage error', ['stale', '--days', 'many'], 200, 2],
    ['too many days are a usage error', ['stale', '--days', '99999'], 200, 2],
    ['a question that is refused', ['who-can', 'a', 'b'], 422, 1],
    ['a caller who may not', ['stale'], 403, 1],
    ['a service that is not available', ['stale'], 503, 3],
  ])('%s: %j', async (_, args, status, code) => {
    cli.answer(status === 200 ? stale : { title: 'No', status, detail: 'no', traceId: 'f'.repeat(32) }, status);
    expect((await run(args)).code).toBe(code);
  });
});
