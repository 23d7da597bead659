import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger, UnavailableError } from '@countersign/platform';
import { Client } from 'pg';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { Database, type DatabaseOptions } from './database';
import { EmbeddedPostgres } from './embedded-postgres';
import { isUniqueViolation } from './failures';

class CreateNotes1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE note (id int PRIMARY KEY, text text NOT NULL)');
    await runner.query('CREATE TABLE run AS SELECT pg_backend_pid() AS pid FROM pg_sleep(0.2)');
  }
  async down(): Promise<void> {}
}

class AddAuthor1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query("ALTER TABLE note ADD author text NOT NULL DEFAULT 'nobody'");
  }
  async down(): Promise<void> {}
}

/** As long as a busy machine may take for what is promised within a second. */
const A_SECOND_MS = 10_000;

const logger = new Logger('test', 'silent');
const folder = mkdtempSync(join(tmpdir(), 'database-'));
const server = new EmbeddedPostgres({ dataDir: join(folder, 'postgres'), logger, durable: false });
let url: string;
let open: Database[] = [];
let proxies: Proxy[] = [];
let schemas = 0;

beforeAll(async () => {
  chmodSync(folder, 0o755);
  ({ url } = await server.start());
});

afterEach(async () => {
  await Promise.all(open.map((database) => database.close()));
  for (const proxy of proxies) proxy.close();
  open = [];
  proxies = [];
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

function database(options: Partial<DatabaseOptions> = {}): Database {
  const made = new Database({
    url,
    schema: `s${++schemas}`,
    entities: [],
    migrations: [CreateNotes1700000000000],
    logger,
    ...options,
  });
  open.push(made);
  return made;
}

async function ready(options: Partial<DatabaseOptions> = {}): Promise<Database> {
  const made = database(options);
  await made.whenReady();
  return made;
}

/** Between a database and its server: `forward`, `silent` (takes everything, answers nothing) or `closed`. */
class Proxy {
  private mode: 'forward' | 'silent' = 'forward';
  private readonly sockets = new Set<Socket>();
  private readonly target = new URL(url);
  private server: Server | undefined;
  port = 0;

  async listen(): Promise<string> {
    this.server = createServer((socket) => this.accept(socket));
    await new Promise<void>((resolve) => this.server?.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
    const address = new URL(url);
    address.port = String(this.port);
    return address.href;
  }

  silence(): void {
    this.mode = 'silent';
    for (const socket of this.sockets) socket.unpipe();
  }

  forward(): void {
    this.mode = 'forward';
  }

  close(): void {
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private accept(socket: Socket): void {
    this.track(socket);
    if (this.mode === 'silent') return;
    const upstream = this.track(connect(Number(this.target.port), '127.0.0.1'));
    socket.pipe(upstream).pipe(socket);
  }

  private track(socket: Socket): Socket {
    this.sockets.add(socket);
    return socket.on('error', () => socket.destroy()).on('close', () => this.sockets.delete(socket));
  }
}

async function proxied(): Promise<{ proxy: Proxy; through: string }> {
  const proxy = new Proxy();
  proxies.push(proxy);
  return { proxy, through: await proxy.listen() };
}

async function untilAnswered(tried: Database): Promise<void> {
  await until(() => tried.ping());
}

/** Tries while it is refused as unavailable. */
async function until<T>(attempt: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 20_000; ;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof UnavailableError) || Date.now() > deadline) throw error;
      await new Promise(setImmediate);
    }
  }
}

const count = async (tried: Database): Promise<unknown> =>
  (await tried.query('SELECT count(*)::int AS n FROM note'))[0];

describe('migrations', () => {
  test('two that start together migrate once, and neither gets in the way of the other', async () => {
    const schema = 'together';
    const warnings: string[] = [];
    const watched = new Logger('test', 'warn', (line) => void warnings.push(line));
    const both = [database({ schema, logger: watched }), database({ schema, logger: watched })];
    await Promise.all(both.map((one) => one.whenReady()));
    for (const one of both) expect(await one.query('SELECT * FROM run')).toHaveLength(1);
    expect(await both[0]?.query('SELECT name FROM migrations')).toEqual([{ name: 'CreateNotes1700000000000' }]);
    expect(warnings).toEqual([]);
  });

  test('a later version adds what is new and keeps the rows', async () => {
    const schema = 'later';
    const before = await ready({ schema });
    await before.query("INSERT INTO note VALUES (1, 'kept')");
    const after = await ready({ schema, migrations: [CreateNotes1700000000000, AddAuthor1700000000001] });
    expect(await after.query('SELECT * FROM note')).toEqual([{ id: 1, text: 'kept', author: 'nobody' }]);
  });

  test('with a user of its own for migrations, the service writes rows and changes no table', async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query("CREATE ROLE humble LOGIN PASSWORD 'humble'");
    await client.end();
    const humble = new URL(url);
    humble.username = humble.password = 'humble';
    const tried = await ready({ url: humble.href, migrationUrl: url, schema: 'owned' });
    await tried.query("INSERT INTO note VALUES (1, 'written')");
    expect(await count(tried)).toEqual({ n: 1 });
    await expect(tried.query('ALTER TABLE note ADD more int')).rejects.toThrow('must be owner of table note');
  });
});

describe('work', () => {
  test('rows come back as objects, those of UPDATE and DELETE too', async () => {
    const tried = await ready();
    const row = { id: 1, text: 'b' };
    await tried.query("INSERT INTO note VALUES ($1, 'a')", [1]);
    expect(await tried.query("UPDATE note SET text = 'b' RETURNING *")).toEqual([row]);
    expect(await tried.query('DELETE FROM note RETURNING *')).toEqual([row]);
  });

  test('a transaction commits when the work resolves and leaves nothing when it rejects', async () => {
    const tried = await ready();
    const failure = new Error('ours');
    await tried.transaction((manager) => manager.query("INSERT INTO note VALUES (1, 'a')"));
    const failing = tried.transaction(async (manager) => {
      await manager.query("INSERT INTO note VALUES (2, 'b')");
      throw failure;
    });
    await expect(failing).rejects.toBe(failure);
    expect(await count(tried)).toEqual({ n: 1 });
  });

  test('a unique violation is told apart and is no outage', async () => {
    const tried = await ready();
    const insert = (): Promise<unknown> => tried.query("INSERT INTO note VALUES (1, 'a')");
    await insert();
    const error: unknown = await insert().catch((reason: unknown) => reason);
    expect(isUniqueViolation(error)).toBe(true);
    expect(error).not.toBeInstanceOf(UnavailableError);
  });

  test('batch work may ask for more time, and the connection forgets it', async () => {
    const tried = await ready();
    const slow = 'SELECT pg_sleep(1.1)';
    await expect(tried.query(slow, [], { limitMs: 5_000 })).resolves.toHaveLength(1);
    await expect(tried.transaction((manager) => manager.query(slow), { limitMs: 5_000 })).resolves.toHaveLength(1);
    await expect(tried.query(slow)).rejects.toThrow(UnavailableError);
    expect(await count(tried)).toEqual({ n: 0 });
  });

  test('batch work costs no statement beside its own, however often it follows itself', async () => {
    const tried = await ready();
    const insert = (id: number) => tried.query('INSERT INTO note VALUES ($1, $2)', [id, 'a'], { limitMs: 5_000 });
    await insert(1);
    const asked = jest.spyOn(Client.prototype, 'query');
    for (const id of [2, 3, 4]) await insert(id);
    expect(asked).toHaveBeenCalledTimes(3);
    asked.mockRestore();
    expect(await count(tried)).toEqual({ n: 4 });
  });

  test('a statement with a name is prepared once, and runs with the values of each time', async () => {
    const tried = await ready();
    const double = async (value: number) =>
      (await tried.query<{ twice: number }>('SELECT $1::int * 2 AS twice', [value], { name: 'double' }))[0]?.twice;
    expect([await double(1), await double(2), await double(3)]).toEqual([2, 4, 6]);
    expect(await tried.query('SELECT name FROM pg_prepared_statements')).toEqual([{ name: 'double' }]);
  });
});

describe('outages', () => {
  const outages: [name: string, sql: string][] = [
    ['a statement that takes too long', 'SELECT pg_sleep(5)'],
    ['a connection that the server ends', 'SELECT pg_terminate_backend(pg_backend_pid())'],
    ['a server that has become read-only', "DO $$ BEGIN RAISE SQLSTATE '25006'; END $$"],
    ['a server that is full', "DO $$ BEGIN RAISE SQLSTATE '53300'; END $$"],
    ['a full disk', "DO $$ BEGIN RAISE SQLSTATE '53100'; END $$"],
    ['a disk that fails', "DO $$ BEGIN RAISE SQLSTATE '58030'; END $$"],
    ['a server that shuts down', "DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$"],
  ];
  test.each(outages)('%s is UnavailableError within a second, and what follows works', async (_name, sql) => {
    const tried = await ready();
    const started = performance.now();
    await expect(tried.query(sql)).rejects.toThrow(UnavailableError);
    expect(performance.now() - started).toBeLessThan(A_SECOND_MS);
    await expect(tried.transaction((manager) => manager.query(sql))).rejects.toThrow(UnavailableError);
    expect(await count(tried)).toEqual({ n: 0 });
  });

  test('before the server is there every method throws UnavailableError; once it is, all is made up for', async () => {
    const { proxy, through } = await proxied();
    proxy.close();
    const tried = database({ url: through });
    await expect(tried.query('SELECT 1')).rejects.toThrow(UnavailableError);
    await expect(tried.ping()).rejects.toThrow(UnavailableError);
    await expect(tried.transaction(() => Promise.resolve())).rejects.toThrow(UnavailableError);
    expect(() => tried.dataSource()).toThrow(UnavailableError);
    await proxy.listen();
    await tried.whenReady();
    expect(await count(tried)).toEqual({ n: 0 });
  });

  test('a server that is gone is UnavailableError within a second', async () => {
    const { proxy, through } = await proxied();
    const tried = await ready({ url: through });
    proxy.close();
    const started = performance.now();
    await expect(tried.ping()).rejects.toThrow(UnavailableError);
    expect(performance.now() - started).toBeLessThan(A_SECOND_MS);
    await proxy.listen();
    await untilAnswered(tried);
  });

  test('a server that takes our words and says nothing is UnavailableError within a second; its connections are not used again', async () => {
    const { proxy, through } = await proxied();
    const tried = await ready({ url: through });
    proxy.silence();
    for (const attempt of [() => tried.ping(), () => tried.transaction((manager) => manager.query('SELECT 1'))]) {
      const started = performance.now();
      await expect(attempt()).rejects.toThrow(UnavailableError);
      expect(performance.now() - started).toBeLessThan(A_SECOND_MS);
    }
    proxy.forward();
    await expect(tried.ping()).resolves.toBeUndefined();
  });

  test('killed with kill -9 and started again, the server is found again', async () => {
    const tried = await ready();
    await tried.query("INSERT INTO note VALUES (1, 'kept')");
    const serverPid = async (): Promise<number> => {
      const [row] = await tried.query<{ file: string }>("SELECT pg_read_file('postmaster.pid', 0, 20) AS file");
      return Number.parseInt(row?.file ?? '', 10);
    };
    const killed = await serverPid();
    process.kill(killed, 'SIGKILL');
    // The backend of a killed server may answer once more before it notices.
    await until(async () => {
      if ((await serverPid()) === killed) throw new UnavailableError('postgres');
    });
    expect(await count(tried)).toEqual({ n: 1 });
  });

  test('closed before it was ever connected, it stops trying', async () => {
    const { proxy, through } = await proxied();
    proxy.close();
    const tried = database({ url: through });
    await tried.close();
    await expect(tried.whenReady()).rejects.toThrow(UnavailableError);
  });
});
