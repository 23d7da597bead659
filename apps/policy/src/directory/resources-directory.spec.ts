import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { written, writtenPolicy } from '../documents/written.fixture';
import { PolicyServices, anotherBus, eventually, type PolicyService } from '../policy-service.fixture';
import type { DirectoryState } from './directory-status';

const services = new PolicyServices();
const DEADLINE_MS = 60_000;
let root: string;
let folders = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'countersign-directory-'));
});

afterAll(async () => {
  await services.stop();
  await rm(root, { recursive: true, force: true });
});

const policy = (name: string, action = 'A:B'): string => JSON.stringify(writtenPolicy(name, action));

const issuer = `
apiVersion: countersign.dev/v1
kind: JwtIssuer
metadata: { name: ci }
spec: { iss: https://ci.test, aud: [https://sts.test], jwksUri: https://ci.test/keys }
`;

/** For anybody at a shared issuer. */
const wideRole = (metadata: string): string => `
apiVersion: countersign.dev/v1
kind: Role
metadata:
  name: wide
  ${metadata}
spec: { policy: [a], condition: { StringEqual: { 'jwt:iss': [https://token.actions.githubusercontent.com] } } }
`;

/** A policy service, and the folder that it follows. */
interface Followed {
  service: PolicyService;
  folder: string;
  write: (name: string, text: string) => Promise<void>;
  /** Names and actions of what is stored, once it is this. */
  becomes: (wanted: string[]) => Promise<unknown>;
  status: () => Promise<DirectoryState>;
  state: (wanted: DirectoryState['state']) => Promise<DirectoryState>;
  revisions: () => Promise<{ revision: number; source: string; author: string; summary: object }[]>;
}

async function follow(files: Record<string, string>, make = true): Promise<Followed> {
  const folder = join(root, `folder-${(folders += 1)}`);
  if (make) await mkdir(folder);
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const service = await services.start({ environment: { COUNTERSIGN_RESOURCES_DIR: folder } });
  return followed(service, folder);
}

function followed(service: PolicyService, folder: string): Followed {
  const stored = async (): Promise<string[]> => {
    const { body } = await service.call('/v1/resources');
    const items = body.items as { metadata: { name: string }; spec: { statement: { action: string[] }[] } }[];
    return items.map(({ metadata, spec }) => `${metadata.name} ${spec.statement[0]?.action[0]}`);
  };
  const status = () => service.health().then(({ details }) => details['resourcesDirectory'] as DirectoryState);
  return {
    service,
    folder,
    // As anybody should who writes into it: in one step.
    write: async (name, text) => {
      await writeFile(join(root, 'draft'), text);
      await rename(join(root, 'draft'), join(folder, name));
    },
    becomes: (wanted) => eventually(stored, (names) => JSON.stringify(names) === JSON.stringify(wanted), DEADLINE_MS),
    status,
    state: (wanted) => eventually(status, ({ state }) => state === wanted, DEADLINE_MS),
    revisions: async () => (await service.call('/v1/revisions')).body.items as never,
  };
}

describe('the resources directory', () => {
  it('applies what is there at the start, and follows files that come, change and go', async () => {
    const { becomes, write, folder, status, revisions } = await follow({
      'a.yaml': policy('a'),
      'b.json': policy('b'),
    });
    await becomes(['a A:B', 'b A:B']);
    await write('c.yml', policy('c'));
    await becomes(['a A:B', 'b A:B', 'c A:B']);
    await write('a.yaml', `${policy('a', 'C:D')}\n---\n${policy('d')}`);
    await becomes(['a C:D', 'b A:B', 'c A:B', 'd A:B']);
    await rm(join(folder, 'b.json'));
    await becomes(['a C:D', 'c A:B', 'd A:B']);
    const all = await revisions();
    expect(all.map(({ summary }) => summary)).toEqual([
      { created: 0, updated: 0, deleted: 1 },
      { created: 1, updated: 1, deleted: 0 },
      { created: 1, updated: 0, deleted: 0 },
      { created: 2, updated: 0, deleted: 0 },
    ]);
    expect(all.every(({ source, author }) => source === 'directory' && author === 'directory')).toBe(true);
    const known = await eventually(status, ({ revision }) => revision === 4, DEADLINE_MS);
    expect(known).toEqual({ folder, state: 'applied', revision: 4, problems: [] });
  });

  it('follows a mounted ConfigMap, whose versions are swapped by a link', async () => {
    const folder = join(root, 'config-map');
    const version = async (name: string, files: Record<string, string>) => {
      await mkdir(join(folder, name), { recursive: true });
      for (const [file, text] of Object.entries(files)) await writeFile(join(folder, name, file), text);
      await symlink(name, join(folder, '..data_tmp'));
      await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    await version('..v1', { 'a.yaml': policy('a') });
    await symlink('..data/a.yaml', join(folder, 'a.yaml'));
    const service = await services.start({ environment: { COUNTERSIGN_RESOURCES_DIR: folder } });
    const { becomes } = followed(service, folder);
    await becomes(['a A:B']);
    await version('..v2', { 'a.yaml': policy('a', 'C:D') });
    await rm(join(folder, '..v1'), { recursive: true });
    await becomes(['a C:D']);
  });

  it('leaves in force what is while a file is broken, says which and where, and goes on once it is mended', async () => {
    const { service, becomes, write, state, folder } = await follow({ 'a.yaml': policy('a') });
    await becomes(['a A:B']);
    await write('b.yaml', 'kind: [Policy\n');
    const { problems } = await state('refused');
    expect(problems).toMatchObject([
      { file: 'b.yaml', path: null, message: expect.stringMatching(/line \d+, column/) },
    ]);
    await write('a.yaml', `${policy('a', 'C:D')}\n---\n${policy('b').replace('"effect"', '"efect"')}`);
    await rm(join(folder, 'b.yaml'));
    const named = await eventually(
      () => state('refused'),
      ({ problems: [first] }) => first?.file === 'a.yaml',
      DEADLINE_MS,
    );
    expect(named.problems).toContainEqual({
      file: 'a.yaml',
      document: 2,
      kind: 'Policy',
      name: 'b',
      path: '/spec/statement/0/efect',
      message: 'unknown field "efect"',
    });
    await becomes(['a A:B']);
    expect((await service.call('/health/ready', { token: null })).status).toBe(200);
    expect(await service.metric('countersign_resources_directory_applied')).toBe(0);
    await write('a.yaml', policy('a', 'C:D'));
    await becomes(['a C:D']);
    await state('applied');
    expect(await service.metric('countersign_resources_directory_applied')).toBe(1);
  });

  it('refuses what the documents of the API do not go with, and applies it once they do', async () => {
    const role = written('Role', 'r', { policy: ['p'], condition: { StringEqual: { 'subject:type': ['user'] } } });
    const { service, state } = await follow({ 'role.yaml': JSON.stringify(role) });
    expect((await state('refused')).problems).toMatchObject([{ file: 'role.yaml', path: '/spec/policy/0' }]);
    await service.apply(policy('p'));
    expect(await state('applied')).toMatchObject({ revision: 2, problems: [] });
  });

  it('waits for what it needs, says so, and applies the same files once it is there', async () => {
    const { service, write, state, becomes } = await follow({ 'a.yaml': policy('a') });
    await becomes(['a A:B']);
    await service.sql('ALTER TABLE embedded.stream_event RENAME TO gone');
    await write('a.yaml', policy('a', 'C:D'));
    expect((await state('waiting')).problems).toMatchObject([{ file: null, message: expect.any(String) }]);
    await becomes(['a A:B']);
    await service.sql('ALTER TABLE embedded.gone RENAME TO stream_event');
    await becomes(['a C:D']);
    await state('applied');
  });

  it('refuses what an apply would: a URL that is never called, and an error of lint unless the document allows it', async () => {
    const { service, write, state } = await follow({ 'a.yaml': policy('a') });
    await state('applied');
    const fault = { gravity: 'refused' as const, code: 'url_refused', path: '/spec/jwksUri', message: 'm', fix: 'Do.' };
    service.discovery.problems = [{ name: 'ci', ...fault }];
    await write('ci.yaml', issuer);
    expect((await state('refused')).problems).toMatchObject([{ file: 'ci.yaml', name: 'ci', path: '/spec/jwksUri' }]);
    service.discovery.problems = [];
    await state('applied');
    await write('role.yaml', wideRole(''));
    expect((await state('refused')).problems).toMatchObject([{ file: 'role.yaml', name: 'wide' }]);
    await write('role.yaml', wideRole('annotations: { countersign.dev/allow: CS001 }'));
    await state('applied');
  });

  it('deletes nothing when the folder is emptied or gone, and follows it when it is back', async () => {
    const { becomes, folder, state, write } = await follow({ 'a.yaml': policy('a') });
    await becomes(['a A:B']);
    await rm(join(folder, 'a.yaml'));
    await state('empty');
    await becomes(['a A:B']);
    await rm(folder, { recursive: true });
    await mkdir(folder);
    await write('b.yaml', policy('b'));
    await becomes(['b A:B']);
  });

  it('waits for a folder that is not there yet', async () => {
    const { folder, state, becomes, write } = await follow({}, false);
    await state('empty');
    await mkdir(folder);
    await write('a.yaml', policy('a'));
    await becomes(['a A:B']);
  });

  it('reads neither sub-folders nor files that are no documents, and takes a file of comments for none', async () => {
    const { folder, becomes, write, state } = await follow({
      'a.yaml': policy('a'),
      'many.json': `[${policy('b')},${policy('c')}]`,
      'README.md': 'not: a document',
      '.hidden.yaml': policy('hidden'),
      'comments.yaml': '# nothing yet\n',
    });
    await mkdir(join(folder, 'deeper.yaml'));
    await writeFile(join(folder, 'deeper.yaml', 'd.yaml'), policy('d'));
    await becomes(['a A:B', 'b A:B', 'c A:B']);
    await write('a.yaml', 'x'.repeat(4 * 1024 * 1024 + 1));
    expect((await state('refused')).problems).toMatchObject([
      { file: 'a.yaml', message: expect.stringMatching('larger') },
    ]);
  });

  it('makes one revision of one change however many replicas have the folder; the last change wins', async () => {
    const first = await follow({ 'a.yaml': policy('a') });
    await first.becomes(['a A:B']);
    const { databaseUrl } = first.service;
    const bus = anotherBus();
    const second = await services.startOn(databaseUrl, bus, { COUNTERSIGN_RESOURCES_DIR: first.folder });
    const same = followed(second, first.folder);
    await same.state('applied');
    await first.write('a.yaml', policy('a', 'C:D'));
    await first.becomes(['a C:D']);
    // Both have seen it: what they say is of the revision of the change.
    for (const one of [first, same]) await eventually(one.status, ({ revision }) => revision === 2, DEADLINE_MS);
    expect(await first.revisions()).toHaveLength(2);

    const other = join(root, 'rolled-out');
    await mkdir(other);
    await writeFile(join(other, 'a.yaml'), policy('a', 'E:F'));
    const third = await services.startOn(databaseUrl, bus, { COUNTERSIGN_RESOURCES_DIR: other });
    await followed(third, other).state('applied');
    await first.becomes(['a E:F']);
    await first.write('a.yaml', policy('a', 'G:H'));
    await first.becomes(['a G:H']);
    await eventually(same.status, ({ revision }) => revision === 4, DEADLINE_MS);
    expect(await first.revisions()).toHaveLength(4);
  });

  it('owns what it applied: the API may neither change nor delete nor prune it', async () => {
    const { service, becomes } = await follow({ 'a.yaml': policy('a') });
    await becomes(['a A:B']);
    const path = '/v1/resources/Policy/a';
    const put = (body: string) => service.call(path, { method: 'PUT', body, type: 'application/json' });
    expect((await service.call(path, { method: 'DELETE' })).status).toBe(409);
    expect((await put(policy('a', 'C:D'))).status).toBe(409);
    expect((await put(policy('a'))).status).toBe(200);
    const pruned = await service.apply(policy('mine'), '?prune=true');
    expect(pruned.body.results).toMatchObject([{ name: 'mine', action: 'created' }]);
  });

  it('takes over a document of the API, and a restore leaves it alone', async () => {
    const { service, becomes, write } = await follow({ 'a.yaml': policy('a') });
    await becomes(['a A:B']);
    await service.apply(policy('p'));
    await write('p.yaml', policy('p', 'C:D'));
    await becomes(['a A:B', 'p C:D']);
    expect((await service.call('/v1/revisions/2/restore', { method: 'POST' })).status).toBe(200);
    expect((await service.apply(policy('p'))).status).toBe(409);
    await becomes(['a A:B', 'p C:D']);
  });
});
