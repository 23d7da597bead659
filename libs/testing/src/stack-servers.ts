import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isOlderThan } from '@countersign/platform';
import { presentBinary, serverBinary } from './servers/binaries';
import { runNats } from './servers/nats';
import { runSql, startPostgres } from './servers/postgres';
import { freePort, ServerProcess, talk } from './servers/server-process';
import type { TestDisk } from './servers/test-disk';
import { serverOn, type TestServer } from './servers/test-server';
import { NATS_USERS, REDIS_USERS, sha256, writeSecret, type StackSecrets } from './stack-secrets';

/** The repository; this file is at the same depth in `src` and in `dist`. */
export const repository = resolve(__dirname, '../../..');
export const deployFolder = join(repository, 'deploy');
const nothing = async (): Promise<void> => undefined;

export interface StackNats extends TestServer {
  /** Answers GET /varz and the like. */
  monitorUrl: string;
}

/** nats-server with the users and permissions of deploy/nats/nats.conf; its store is in the folder, or on the disk. */
export async function startStackNats(folder: string, secrets: StackSecrets, disk?: TestDisk): Promise<StackNats> {
  const [port, monitor] = [await freePort(), `127.0.0.1:${await freePort()}`];
  await mkdir(folder, { recursive: true });
  await copyFile(join(deployFolder, 'nats/nats.conf'), join(folder, 'nats.conf'));
  await writeFile(join(folder, 'jetstream-durable.conf'), await durability());
  const lines = [
    'CS_SERVER_NAME: "countersign"',
    `CS_LISTEN: "127.0.0.1:${port}"`,
    `CS_MONITOR: "${monitor}"`,
    `CS_STORE_DIR: "${join(disk?.folder ?? folder, 'store')}"`,
    ...NATS_USERS.map((user) => `CS_PASSWORD_${user.toUpperCase()}: "${secrets.nats[user]}"`),
  ];
  await writeSecret(folder, 'server.conf', lines.join('\n'));
  const server = await runNats(join(folder, 'nats.conf'), port, nothing, disk);
  return Object.assign(server, { monitorUrl: `http://${monitor}` });
}

/** Why the nats-server of these tests syncs nothing before it acknowledges (`sync_interval`), or null: it does. */
export function syncRefusal(): string | null {
  const command = presentBinary('nats-server')?.command;
  if (command === undefined) return 'nats-server is not there yet';
  const answer = execFileSync(command, ['--version']).toString().trim();
  const [, version] = /v([\d.]+)/.exec(answer) ?? [];
  const knowsIt = version !== undefined && !isOlderThan(version, '2.10.0');
  return knowsIt ? null : `${answer} has no sync_interval, 2.10 does`;
}

/** What the server's version understands of jetstream-durable.conf. */
async function durability(): Promise<string> {
  await serverBinary('nats-server');
  const refusal = syncRefusal();
  return refusal === null ? readFile(join(deployFolder, 'nats/jetstream-durable.conf'), 'utf8') : `# ${refusal}\n`;
}

/** redis-server with deploy/redis/redis.conf and its users. */
export async function startStackRedis(folder: string, secrets: StackSecrets): Promise<TestServer> {
  const { command, env } = await serverBinary('redis-server');
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  const template = await readFile(join(deployFolder, 'redis/users.acl.template'), 'utf8');
  const users = REDIS_USERS.reduce(
    (text, user) => text.replace(`@REDIS_${user.toUpperCase()}_SHA256@`, sha256(secrets.redis[user])),
    template,
  );
  const aclFile = await writeSecret(folder, 'users.acl', users);
  const settings = { bind: '127.0.0.1', port: String(port), dir: folder, aclfile: aclFile };
  const server = new ServerProcess({
    name: 'redis-server',
    command,
    env,
    args: [join(deployFolder, 'redis/redis.conf'), ...Object.entries(settings).flatMap(([k, v]) => [`--${k}`, v])],
    probe: async () => {
      // The default user is off: a server that is ready asks who we are.
      const answer = await talk(port, 'PING\r\n');
      if (!answer.startsWith('-NOAUTH')) throw new Error(answer);
    },
  });
  return serverOn(server, { url: `redis://127.0.0.1:${port}`, port, cleanUp: nothing });
}

/** PostgreSQL (a new cluster) with the database, roles and schemas of deploy/postgres/init.sql. */
export async function startStackPostgres(secrets: StackSecrets, disk?: TestDisk): Promise<TestServer> {
  const server = await startPostgres(disk === undefined ? {} : { disk });
  try {
    await runInitSql(server.url, secrets);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** What psql does with init.sql, for machines without psql: its variables, its `\connect`. */
async function runInitSql(superuserUrl: string, secrets: StackSecrets): Promise<void> {
  const text = await readFile(join(deployFolder, 'postgres/init.sql'), 'utf8');
  const filled = text.replace(/:'(\w+)_password'/g, (_, role: keyof StackSecrets['postgres']) => {
    return `'${secrets.postgres[role]}'`;
  });
  const [server = '', database = ''] = filled.split(/^\\connect countersign$/m);
  await runSql(superuserUrl, ...statements(server));
  await runSql(databaseUrl(superuserUrl), ...statements(database));
}

// A multi-statement query is one transaction, and CREATE DATABASE refuses to be in one.
const statements = (sql: string): string[] => sql.split(/;\s*$/m).filter((statement) => /^\s*\w/m.test(statement));

/** URL of the database `countersign` on a server, for a role with its password or as the server's URL has it. */
export function databaseUrl(serverUrl: string, role?: string, password = ''): string {
  const url = new URL(serverUrl);
  url.pathname = '/countersign';
  if (role !== undefined) Object.assign(url, { username: `countersign_${role}`, password });
  return url.toString();
}
