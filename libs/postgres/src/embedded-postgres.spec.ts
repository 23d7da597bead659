import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Logger } from '@countersign/platform';
import { Client } from 'pg';
import { EmbeddedPostgres } from './embedded-postgres';
import { findBinaries, restoreLinks } from './postgres-binaries';

const logger = new Logger('test', 'silent');
const asRoot = process.getuid?.() === 0;

let folder: string;
let servers: EmbeddedPostgres[];
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'embedded-postgres-'));
  chmodSync(folder, 0o755);
  servers = [];
  children = [];
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const server of servers) await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

function server(dataDir = join(folder, 'postgres')): EmbeddedPostgres {
  const made = new EmbeddedPostgres({ dataDir, logger, durable: false });
  servers.push(made);
  return made;
}

async function ask<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
}

/** Until the server takes connections again. */
async function askUntilAnswered(url: string, sql: string): Promise<unknown[]> {
  for (const deadline = Date.now() + 20_000; ;) {
    try {
      return await ask(url, sql);
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise(setImmediate);
    }
  }
}

/** A process of its own that runs a server in the folder: its id and the server's URL. */
async function startElsewhere(dataDir: string): Promise<{ child: ChildProcess; url: string }> {
  const script = join(__dirname, '../testdata/run-source.js');
  const child = spawn(process.execPath, ['--conditions=@cs/source', script, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout });
  const [url] = (await once(lines, 'line')) as [string];
  return { child, url };
}

const postmaster = (dataDir: string): number =>
  Number.parseInt(readFileSync(join(dataDir, 'data', 'postmaster.pid'), 'utf8'), 10);

test('what was committed is there after a stop and a start', async () => {
  const first = server();
  await ask((await first.start()).url, 'CREATE TABLE kept AS SELECT 7 AS n');
  await first.stop();
  expect(await ask((await server().start()).url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
});

test('listens on loopback alone, and asks for a password that only its user can read', async () => {
  const { url } = await server().start();
  expect(
    await ask(url, "SELECT current_setting('listen_addresses') AS a, current_setting('unix_socket_directories') AS s"),
  ).toEqual([{ a: '127.0.0.1', s: '' }]);
  const wrong = new URL(url);
  wrong.password = 'wrong';
  await expect(ask(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
  expect(statSync(join(folder, 'postgres', 'password')).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'postgres', 'data')).mode & 0o777).toBe(0o700);
});

test('syncs to disk unless told otherwise', async () => {
  const durable = new EmbeddedPostgres({ dataDir: join(folder, 'durable'), logger });
  servers.push(durable);
  const { url } = await durable.start();
  expect(await ask(url, "SELECT current_setting('fsync') AS f, current_setting('synchronous_commit') AS s")).toEqual([
    { f: 'on', s: 'on' },
  ]);
});

test('after kill -9 of the process that started it, the next start works at once and has the data', async () => {
  const dataDir = join(folder, 'postgres');
  const { child, url } = await startElsewhere(dataDir);
  await ask(url, 'CREATE TABLE kept AS SELECT 7 AS n');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await ask((await server().start()).url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
});

test('a server whose starter is killed ends by itself', async () => {
  const { child, url } = await startElsewhere(join(folder, 'postgres'));
  const client = new Client({ connectionString: url });
  const ended = new Promise<void>((resolve) => client.once('end', resolve));
  client.on('error', () => undefined);
  await client.connect();
  child.kill('SIGKILL');
  await ended;
});

test('a server that still runs in the folder is stopped and replaced', async () => {
  const dataDir = join(folder, 'postgres');
  const { url } = await startElsewhere(dataDir);
  await ask(url, 'CREATE TABLE kept AS SELECT 7 AS n');
  const before = postmaster(dataDir);
  children[0]?.kill('SIGSTOP');
  expect(await ask((await server().start()).url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  expect(postmaster(dataDir)).not.toBe(before);
});

test('a lock file with the number of a living stranger does not hold up the start', async () => {
  const dataDir = join(folder, 'postgres');
  const first = server();
  await first.start();
  await first.stop();
  // Of the server's own user: PostgreSQL itself disregards those of others.
  const { uid, gid } = statSync(join(dataDir, 'data'));
  const stranger = spawn('sleep', ['600'], { uid, gid, cwd: '/', stdio: 'ignore' });
  children.push(stranger);
  writeFileSync(join(dataDir, 'data', 'postmaster.pid'), `${stranger.pid}\n${join(dataDir, 'data')}\n`);
  expect(await ask((await server().start()).url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
});

test('a start that was interrupted while the folder was made is made up for', async () => {
  const dataDir = join(folder, 'postgres');
  const first = server();
  await first.start();
  await first.stop();
  // As it is left behind: the other name, and not all of the files.
  renameSync(join(dataDir, 'data'), join(dataDir, 'data.new'));
  rmSync(join(dataDir, 'data.new', 'PG_VERSION'));
  expect(await ask((await server().start()).url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
});

test('a server that dies is started again under the same URL', async () => {
  const { url } = await server().start();
  await ask(url, 'CREATE TABLE kept AS SELECT 7 AS n');
  process.kill(postmaster(join(folder, 'postgres')), 'SIGKILL');
  expect(await askUntilAnswered(url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
});

test('a folder made by a version that is not installed is refused with one line', async () => {
  mkdirSync(join(folder, 'postgres', 'data'), { recursive: true });
  writeFileSync(join(folder, 'postgres', 'data', 'PG_VERSION'), '9\n');
  await expect(server().start()).rejects.toThrow('made by PostgreSQL 9, which is not installed');
});

// Only root has folders that the server's user cannot enter.
(asRoot ? test : test.skip)(
  'as root, data lies where the server can reach it, and the next start finds it',
  async () => {
    const dataDir = join(folder, 'closed', 'postgres');
    mkdirSync(join(folder, 'closed'), { mode: 0o700 });
    const first = server(dataDir);
    await ask((await first.start()).url, 'CREATE TABLE kept AS SELECT 7 AS n');
    await first.stop();
    const place = readFileSync(join(dataDir, 'moved-to'), 'utf8').trim();
    try {
      expect(existsSync(join(dataDir, 'data'))).toBe(false);
      const second = server(dataDir);
      expect(await ask((await second.start()).url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
      await second.stop();
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  },
);

test('links that npm did not make are made, and those that are there stay', () => {
  mkdirSync(join(folder, 'native', 'lib'), { recursive: true });
  writeFileSync(join(folder, 'native', 'lib', 'liba.so.1.2'), 'a');
  symlinkSync('liba.so.1.2', join(folder, 'native', 'lib', 'liba.so.1'));
  const links = ['liba.so.1', 'liba.so'].map((name) => ({
    source: 'native/lib/liba.so.1.2',
    target: `native/lib/${name}`,
  }));
  writeFileSync(join(folder, 'native', 'pg-symlinks.json'), JSON.stringify(links));
  restoreLinks(folder);
  for (const name of ['liba.so.1', 'liba.so']) {
    expect(readFileSync(join(folder, 'native', 'lib', name), 'utf8')).toBe('a');
  }
});

test('a version that cannot be had is an error that says so', () => {
  expect(() => findBinaries(7)).toThrow('made by PostgreSQL 7');
});
