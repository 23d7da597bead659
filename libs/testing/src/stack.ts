import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureServerBinaries } from './servers/binaries';
import { freePort } from './servers/server-process';
import type { TestDisk } from './servers/test-disk';
import type { TestServer } from './servers/test-server';
import { startNginx } from './stack-nginx';
import {
  makeSecrets,
  writeSecret,
  type DatabaseRole,
  type NatsUser,
  type RedisUser,
  type StackSecrets,
} from './stack-secrets';
import { databaseUrl, startStackNats, startStackPostgres, startStackRedis, type StackNats } from './stack-servers';
import { SERVICE_NAMES, startStackService, waitUntilOk, type ServiceName, type StackService } from './stack-service';

export interface StackOptions {
  /** Configurations, logs, secrets and the files of NATS and Redis; what a former run left there is removed. */
  dataDir: string;
  /** Where nginx listens; a free port unless given. */
  port?: number;
  /** One of each unless said. */
  replicas?: Partial<Record<ServiceName, number>>;
  /** More variables for every service. */
  env?: Record<string, string>;
  /** Where JetStream keeps its files; in `dataDir` unless given. */
  natsDisk?: TestDisk;
  /** Where PostgreSQL keeps its data; in a temporary folder unless given. */
  postgresDisk?: TestDisk;
}

/** The whole system as processes on the loopback interface, each with the configuration of deploy/. */
export interface Stack {
  /** nginx: the only address a client needs, and our issuer. */
  url: string;
  adminToken: string;
  services: StackService[];
  nats: StackNats;
  redis: TestServer;
  /** `url` is the superuser's, of the database `postgres`. */
  postgres: TestServer;
  nginx: TestServer;
  natsUrl(user: NatsUser): string;
  redisUrl(user: RedisUser): string;
  databaseUrl(role: DatabaseRole): string;
  /** The replicas of one service, in order. */
  replicasOf(name: ServiceName): StackService[];
  stop(): Promise<void>;
}

interface Servers {
  nats: StackNats;
  redis: TestServer;
  postgres: TestServer;
}

type Urls = Pick<Stack, 'natsUrl' | 'redisUrl' | 'databaseUrl'>;
type Stop = () => Promise<void>;
/** What runs, in the order in which it ends: the door first, the servers last. */
type Running = Record<'door' | 'services' | 'servers', Stop[]>;

/** Which servers each service talks to: deploy/kubernetes has the same edges. */
const NEEDS: Record<ServiceName, { redis?: RedisUser; database?: DatabaseRole }> = {
  discovery: { redis: 'discovery' },
  exchange: { redis: 'exchange', database: 'exchange' },
  policy: { database: 'policy' },
  audit: { database: 'audit' },
};

/**
 * Starts the distributed mode: NATS, Redis, PostgreSQL, the four services and nginx. Resolves when every replica is
 * ready; needs `npm run build` before. When it rejects, nothing is left running.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const running: Running = { door: [], services: [], servers: [] };
  const stop: Stop = async () => {
    for (const stops of Object.values(running)) await Promise.all(stops.splice(0).map((one) => one()));
  };
  try {
    return await start(options, running, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(options: StackOptions, running: Running, stop: Stop): Promise<Stack> {
  await ensureServerBinaries();
  await emptyFolder(options.dataDir);
  const secrets = makeSecrets();
  const servers = await startServers(options, secrets, running.servers);
  const urls = urlsOf(servers, secrets);
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const services = await startServices({ options, secrets, urls, publicUrl: url }, running.services);
  const upstreams = new Map(
    SERVICE_NAMES.map((name) => [
      name,
      services.filter((one) => one.name === name).map((one) => new URL(one.url).host),
    ]),
  );
  const nginx = await startNginx({ folder: join(options.dataDir, 'nginx'), port, upstreams });
  running.door.push(() => nginx.stop());
  await waitUntilOk(`${url}/health/ready`);
  const replicasOf = (name: ServiceName): StackService[] => services.filter((one) => one.name === name);
  return { url, adminToken: secrets.adminToken, services, nginx, ...servers, ...urls, replicasOf, stop };
}

async function emptyFolder(dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  for (const name of ['nats', 'redis', 'nginx', 'logs', 'secrets'])
    await rm(join(dataDir, name), { recursive: true, force: true });
}

async function startServers(options: StackOptions, secrets: StackSecrets, stops: Stop[]): Promise<Servers> {
  const { dataDir, natsDisk, postgresDisk } = options;
  const keep = async <Server extends TestServer>(starting: Promise<Server>): Promise<Server> => {
    const server = await starting;
    stops.push(() => server.stop());
    return server;
  };
  const [nats, redis, postgres] = await settled([
    keep(startStackNats(join(dataDir, 'nats'), secrets, natsDisk)),
    keep(startStackRedis(join(dataDir, 'redis'), secrets)),
    keep(startStackPostgres(secrets, postgresDisk)),
  ]);
  return { nats, redis, postgres };
}

/** Like Promise.all, but rejects only when nothing is under way any more, so that everything started can be stopped. */
async function settled<T extends readonly unknown[] | []>(
  promises: T,
): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

function urlsOf({ nats, redis, postgres }: Servers, secrets: StackSecrets): Urls {
  return {
    natsUrl: (user) => nats.url.replace('//', `//${user}:${secrets.nats[user]}@`),
    redisUrl: (user) => redis.url.replace('//', `//${user}:${secrets.redis[user]}@`),
    databaseUrl: (role) => databaseUrl(postgres.url, role, secrets.postgres[role]),
  };
}

interface ServicesContext {
  options: StackOptions;
  secrets: StackSecrets;
  urls: Urls;
  publicUrl: string;
}

async function startServices(context: ServicesContext, stops: Stop[]): Promise<StackService[]> {
  const { dataDir, replicas = {} } = context.options;
  const starting = SERVICE_NAMES.flatMap((name) =>
    Array.from({ length: replicas[name] ?? 1 }, async (_, index) => {
      const env = await environment(name, context);
      const service = await startStackService({ name, replica: index + 1, logFolder: join(dataDir, 'logs'), env });
      stops.push(() => service.kill('SIGTERM'));
      return service;
    }),
  );
  const services = await settled(starting);
  await Promise.all(services.map((service) => service.ready()));
  return services;
}

/** Each service gets its own credentials and no other's, as files. */
async function environment(name: ServiceName, context: ServicesContext): Promise<NodeJS.ProcessEnv> {
  const { options, secrets, urls, publicUrl } = context;
  const { redis, database } = NEEDS[name];
  const values: Record<string, string> = {
    ADMIN_TOKEN: secrets.adminToken,
    NATS_URL: urls.natsUrl(name),
    ...(redis === undefined ? {} : { REDIS_URL: urls.redisUrl(redis) }),
    ...(database === undefined
      ? {}
      : {
          DATABASE_URL: urls.databaseUrl(database),
          MIGRATION_DATABASE_URL: urls.databaseUrl('migrator'),
          ENCRYPTION_KEY: secrets.encryptionKey,
        }),
  };
  const env: NodeJS.ProcessEnv = {
    COUNTERSIGN_PUBLIC_URL: publicUrl,
    COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1',
    COUNTERSIGN_ALLOW_LOOPBACK_ISSUERS: 'true',
    ...options.env,
  };
  const folder = join(options.dataDir, 'secrets', name);
  for (const [key, value] of Object.entries(values))
    env[`COUNTERSIGN_${key}_FILE`] = await writeSecret(folder, key.toLowerCase(), value);
  return env;
}
