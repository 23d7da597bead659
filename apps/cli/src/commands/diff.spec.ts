import { commandUnderTest, send } from '../command.fixture';

const cli = commandUnderTest();
const run = (args: string[], isTty = false) => cli.run(args, { isTty });
let answers: Record<string, unknown>;

beforeEach(() => {
  answers = {};
  const problem = { title: 'Not found', status: 404, detail: 'nothing', traceId: 'f'.repeat(32) };
  cli.respond = (response, { line }) => send(response, answers[line] ?? problem, line in answers ? 200 : 404);
});

const role = (name: string, ref: string): object => ({
  apiVersion: 'countersign.dev/v1',
  kind: 'Role',
  metadata: { name },
  spec: { policy: ['p'], condition: { StringEqual: { 'jwt:ref': ref } } },
});
const result = (name: string, action: string): object => ({ kind: 'Role', name, action, etag: '"e"' });
const dryRun = (...results: object[]): object => ({ revision: 7, dryRun: true, results, findings: [] });

describe('countersign diff', () => {
  beforeEach(() => {
    // The members of the stored document stand in another order: that is no difference.
    const { apiVersion, kind, metadata, spec } = role('changed', 'refs/heads/dev') as Record<string, object>;
    answers = {
      'POST /v1/apply?dryRun=true&prune=true': dryRun(
        result('changed', 'updated'),
        result('same', 'unchanged'),
        result('fresh', 'created'),
        result('gone', 'deleted'),
      ),
      'POST /v1/apply?dryRun=true': dryRun(result('same', 'unchanged')),
      'GET /v1/resources/Role/changed': { metadata, kind, spec, apiVersion },
      'GET /v1/resources/Role/gone': role('gone', '0123'),
    };
    const documents = [role('changed', 'refs/heads/main'), role('same', 'x'), role('fresh', 'y')];
    cli.file('all.yaml', documents.map((document) => JSON.stringify(document)).join('\n---\n'));
  });

  it('shows what an apply would change, as YAML, and asks for nothing but that', async () => {
    const { code, out } = await run(['diff', '-f', 'all.yaml', '--prune']);
    expect(code).toBe(0);
    expect(out).toBe(`Role/changed updated
@@ -6,5 +6,5 @@
     - p
   condition:
     StringEqual:
-      jwt:ref: refs/heads/dev
+      jwt:ref: refs/heads/main
 apiVersion: countersign.dev/v1
Role/fresh created
@@ -0,0 +1,10 @@
+apiVersion: countersign.dev/v1
+kind: Role
+metadata:
+  name: fresh
+spec:
+  policy:
+    - p
+  condition:
+    StringEqual:
+      jwt:ref: y
Role/gone deleted
@@ -1,10 +0,0 @@
-apiVersion: countersign.dev/v1
-kind: Role
-metadata:
-  name: gone
-spec:
-  policy:
-    - p
-  condition:
-    StringEqual:
-      jwt:ref: "0123"
1 created, 1 updated, 1 deleted
`);
    expect(cli.seen.map(({ line }) => line)).toEqual([
      'POST /v1/apply?dryRun=true&prune=true',
      'GET /v1/resources/Role/changed',
      'GET /v1/resources/Role/gone',
    ]);
  });

  it('paints on a terminal what goes and what comes', async () => {
    const { out } = await run(['diff', '-f', 'all.yaml', '--prune'], true);
    expect(out).toContain('\u001b[31m-      jwt:ref: refs/heads/dev');
    expect(out).toContain('\u001b[32m+      jwt:ref: refs/heads/main');
  });

  it('ends with 1 on request when there are differences', async () => {
    const changed = await run(['diff', '-f', 'all.yaml', '--prune', '--exit-code']);
    expect(changed).toMatchObject({ code: 1, err: expect.stringContaining('3 documents differ') });
    const same = await run(['diff', '-f', 'all.yaml', '--exit-code']);
    expect(same).toEqual({ code: 0, out: '0 created, 0 updated, 0 deleted\n', err: '' });
  });

  it('gives both states of each document to programs', async () => {
    const { out } = await run(['diff', '-f', 'all.yaml', '--prune', '-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({
      revision: 7,
      findings: [],
      changes: [
        {
          name: 'changed',
          action: 'updated',
          before: role('changed', 'refs/heads/dev'),
          after: role('changed', 'refs/heads/main'),
        },
        { name: 'fresh', before: null, after: role('fresh', 'y') },
        { name: 'gone', before: role('gone', '0123'), after: null },
      ],
    });
  });

  it('reads numbers of YAML as the server does', async () => {
    answers['POST /v1/apply?dryRun=true'] = dryRun(result('changed', 'updated'));
    cli.file('ids.yaml', 'kind: Role\nmetadata: { name: changed }\nspec: { a: 0123, b: 7, c: 1e3 }\n');
    const { out } = await run(['diff', '-f', 'ids.yaml', '-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({ changes: [{ after: { spec: { a: '0123', b: 7, c: '1e3' } } }] });
  });

  it('passes on which errors of lint are meant, and shows what lint says', async () => {
    const found = { rule: 'CS003', severity: 'warning', resource: { kind: 'Role', name: 'same' }, path: '/spec' };
    const findings = [{ ...found, message: 'too broad', admits: [], fix: 'Narrow it.' }];
    answers['POST /v1/apply?dryRun=true&allow=CS003%2CCS004'] = { ...dryRun(result('same', 'unchanged')), findings };
    const { out } = await run(['diff', '-f', 'all.yaml', '--allow', 'CS003,CS004']);
    expect(out).toContain('0 created, 0 updated, 0 deleted\nRole/same\n');
    expect(out).toContain('too broad');
    answers['POST /v1/revisions/2/restore?allow=CS003'] = dryRun(result('same', 'unchanged'));
    expect((await run(['revisions', 'restore', '2', '--allow', 'CS003'])).code).toBe(0);
  });

  it('wants files', async () => {
    expect((await run(['diff'])).code).toBe(2);
    expect((await run(['diff', '-f', 'nowhere.yaml'])).code).toBe(2);
  });
});

describe('countersign revisions', () => {
  const revision = (number: number, restoredFrom: number | null = null): object => ({
    revision: number,
    createdAt: '2026-11-20T10:00:00.000Z',
    author: 'bootstrap',
    source: 'api',
    restoredFrom,
    summary: { created: 1, updated: 2, deleted: 0 },
  });

  it('lists them', async () => {
    answers['GET /v1/revisions?limit=2'] = { items: [revision(2, 1), revision(1)], nextCursor: null };
    const { code, out } = await run(['revisions', 'list', '--limit', '2']);
    expect(code).toBe(0);
    expect(out).toBe(`REVISION  TIME                      AUTHOR     SOURCE  RESTORED FROM  DOCUMENTS
2         2026-11-20T10:00:00.000Z  bootstrap  api     1              +1 ~2 -0
1         2026-11-20T10:00:00.000Z  bootstrap  api     -              +1 ~2 -0
`);
  });

  it('shows what one changed', async () => {
    const change = {
      kind: 'Role',
      name: 'r',
      action: 'updated',
      owner: 'api',
      before: role('r', 'a'),
      after: role('r', 'b'),
    };
    answers['GET /v1/revisions/2'] = { ...revision(2, 1), diff: [change] };
    const { out } = await run(['revisions', 'show', '2']);
    expect(out).toContain('restored from  1\nRole/r updated\n@@ -7,4 +7,4 @@\n');
    expect(out).toContain('-      jwt:ref: a\n+      jwt:ref: b\n');
  });

  it('restores one, or says what that would do', async () => {
    answers['POST /v1/revisions/2/restore?dryRun=true'] = dryRun(result('r', 'created'));
    answers['POST /v1/revisions/2/restore'] = { ...dryRun(result('r', 'created')), dryRun: false, revision: 8 };
    expect((await run(['revisions', 'restore', '2', '--dry-run'])).out).toContain('revision stays 7');
    expect((await run(['revisions', 'restore', '2'])).out).toBe('Role/r created\nrevision 8\n');
    expect((await run(['revisions', 'restore', '3'])).code).toBe(1);
    expect((await run(['revisions', 'restore', 'x'])).code).toBe(2);
  });
});
