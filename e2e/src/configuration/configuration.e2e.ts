import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  eventually,
  freePort,
  runSql,
  selfSigned,
  ServerProcess,
  startNats,
  startPostgres,
  startRedis,
  startTcpProxy,
  type Certificate,
  type TcpProxy,
  type TestServer,
} from '@countersign/testing';

const apps = resolve(__dirname, '../../../apps');

/** Runs a service with nothing but these variables, until it ends by itself. */
function start(
  service: string,
  variables: Record<string, string>,
): Promise<{ code: number; stderr: string; stdout: string }> {
  const env = { PATH: process.env.PATH, ...variables };
  return new Promise((done) => {
    execFile(
      process.execPath,
      [`${apps}/${service}/dist/main.js`],
      { env, timeout: 120_000 },
      (error, stdout, stderr) => {
        done({ code: typeof error?.code === 'number' ? error.code : -1, stdout, stderr });
      },
    );
  });
}

const good = {
  COUNTERSIGN_PUBLIC_URL: 'https://sts.test',
  COUNTERSIGN_PORT: '0',
  COUNTERSIGN_HOST: '127.0.0.1',
  COUNTERSIGN_ADMIN_TOKEN: 'a'.repeat(64),
  COUNTERSIGN_ENCRYPTION_KEY: Buffer.alloc(32, 1).toString('base64'),
  COUNTERSIGN_NATS_URL: 'nats://127.0.0.1:1',
  COUNTERSIGN_REDIS_URL: 'redis://127.0.0.1:1',
  COUNTERSIGN_DATABASE_URL: 'postgres://127.0.0.1:1/none',
};

describe('a service with a wrong configuration ends with code 78 and one line that names the variable', () => {
  it.each<[string, Record<string, string>, string]>([
    ['exchange', {}, 'COUNTERSIGN_PUBLIC_URL: is required'],
    [
      'exchange',
      { ...good, COUNTERSIGN_ADMIN_TOKEN: 'short-secret' },
      'COUNTERSIGN_ADMIN_TOKEN: must have at least 32',
    ],
    ['exchange', { ...good, COUNTERSIGN_ENCRYPTION_KEY: 'c2VjcmV0' }, 'COUNTERSIGN_ENCRYPTION_KEY: must be 32 bytes'],
    ['exchange', { ...good, COUNTERSIGN_SIGNING_ALG: 'HS256' }, 'COUNTERSIGN_SIGNING_ALG'],
    ['policy', { ...good, COUNTERSIGN_PUBLIC_URL: 'https://sts.test/' }, 'COUNTERSIGN_PUBLIC_URL'],
    ['policy', { ...good, COUNTERSIGN_DATABASE_URL: 'mysql://x' }, 'COUNTERSIGN_DATABASE_URL'],
    // BUS-14
    [
      'policy',
      { ...good, COUNTERSIGN_DATABASE_URL: 'postgres://db/x?sslmode=require&uselibpqcompat=true' },
      'COUNTERSIGN_DATABASE_URL: must not ask for TLS that is not verified',
    ],
    ['discovery', { ...good, COUNTERSIGN_PORT: '99999' }, 'COUNTERSIGN_PORT'],
    [
      'discovery',
      { ...good, COUNTERSIGN_TRUSTED_PROXIES: 'nginx' },
      'COUNTERSIGN_TRUSTED_PROXIES: must be IP addresses',
    ],
    ['discovery', { ...good, COUNTERSIGN_ALLOWED_PRIVATE_CIDRS: '10.0.0.0/33' }, 'COUNTERSIGN_ALLOWED_PRIVATE_CIDRS'],
    ['audit', { ...good, COUNTERSIGN_NATS_URL: 'nats://a:4222,nats://b:x' }, 'COUNTERSIGN_NATS_URL: must be URLs'],
    ['audit', { ...good, COUNTERSIGN_PORTS: '1' }, 'COUNTERSIGN_PORTS: no such setting'],
    ['audit', { ...good, COUNTERSIGN_ADMIN_TOKEN_FILE: '/nowhere' }, 'COUNTERSIGN_ADMIN_TOKEN_FILE: cannot read'],
  ])('%s (%#)', async (service, variables, line) => {
    const { code, stdout, stderr } = await start(service, variables);
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr.trim().split('\n')).toEqual([expect.stringContaining(line)]);
    expect(stderr).not.toMatch(/short-secret|c2VjcmV0/);
  });

  it('exchange, on a Redis that drops keys to make room', async () => {
    const redis = await startRedis({ config: 'maxmemory 50mb\nmaxmemory-policy allkeys-lru' });
    try {
      const { code, stderr } = await start('exchange', { ...good, COUNTERSIGN_REDIS_URL: redis.url });
      expect({ code, stderr: stderr.trim() }).toEqual({ code: 78, stderr: expect.stringContaining('noeviction') });
    } finally {
      await redis.stop();
    }
  });
});

/** NATS, Redis and PostgreSQL, in that order, each with this certificate. */
class TlsServers {
  private constructor(
    readonly proxies: TcpProxy[],
    readonly postgresUrl: string,
    private readonly servers: TestServer[],
  ) {}

  static async start(folder: string, { cert, key }: Certificate): Promise<TlsServers> {
    const file = join(await mkdtemp(join(folder, 'server-')), 'tls');
    await Promise.all([writeFile(`${file}.crt`, cert), writeFile(`${file}.key`, key)]);
    const redisPort = await freePort();
    const redis = `tls-port ${redisPort}\ntls-cert-file ${file}.crt\ntls-key-file ${file}.key\ntls-auth-clients no`;
    const servers = await Promise.all([
      startNats({ config: `tls { cert_file: "${file}.crt", key_file: "${file}.key" }` }),
      startRedis({ config: redis }),
      startPostgres(),
    ]);
    const [nats, , postgres] = servers;
    await turnTlsOn(postgres.url, { cert, key });
    const proxies = await Promise.all([nats.port, redisPort, postgres.port].map((port) => startTcpProxy(port)));
    return new TlsServers(proxies, postgres.url, servers);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.proxies, ...this.servers].map((one) => one.stop()));
  }

  /** As a service reaches them under this name. */
  urls(host: string): Record<string, string> {
    const [nats, redis, postgres] = this.proxies.map(({ port }) => port);
    const { username, password } = new URL(this.postgresUrl);
    return {
      COUNTERSIGN_NATS_URL: `tls://${host}:${nats}`,
      COUNTERSIGN_REDIS_URL: `rediss://${host}:${redis}`,
      COUNTERSIGN_DATABASE_URL: `postgres://${username}:${password}@${host}:${postgres}/postgres?sslmode=verify-full`,
    };
  }
}

/** The server reads its key as the user that it runs as, so it writes the file itself. */
async function turnTlsOn(url: string, { cert, key }: Certificate): Promise<void> {
  const write = (name: string, text: string): string =>
    `COPY (SELECT '${Buffer.from(text).toString('base64')}') TO PROGRAM 'umask 077; base64 -d > ${name}.pem'`;
  const settings = ["ssl_cert_file = 'cert.pem'", "ssl_key_file = 'key.pem'", 'ssl = on'];
  const statements = settings.map((setting) => `ALTER SYSTEM SET ${setting}`);
  await runSql(url, write('cert', cert), write('key', key), ...statements, 'SELECT pg_reload_conf()');
  await eventually(() => runSql(`${url}?sslmode=no-verify`, 'SELECT 1'));
}

describe('BUS-14: NATS, Redis and PostgreSQL over TLS', () => {
  const here = selfSigned(['localhost']);
  const elsewhere = selfSigned(['servers.test']);
  const running: ServerProcess[] = [];
  let folder: string;
  let servers: Record<'here' | 'elsewhere', TlsServers>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-tls-'));
    await writeFile(join(folder, 'known.pem'), here.cert + elsewhere.cert);
    await writeFile(join(folder, 'unknown.pem'), selfSigned(['localhost']).cert);
    const [one, other] = await Promise.all([TlsServers.start(folder, here), TlsServers.start(folder, elsewhere)]);
    servers = { here: one, elsewhere: other };
  });

  afterAll(async () => {
    await Promise.all(running.map((process) => process.kill()));
    await Promise.all(Object.values(servers ?? {}).map((one) => one.stop()));
    await rm(folder, { recursive: true, force: true });
  });

  /** What an exchange says of its servers, reached as localhost, once it has tried each of them often enough. */
  async function checksOf(target: TlsServers, authorities: string): Promise<unknown> {
    const { proxies } = target;
    const before = proxies.map(({ accepted }) => accepted);
    const [port, management] = [await freePort(), await freePort()];
    const exchange = new ServerProcess({
      name: 'exchange',
      command: process.execPath,
      args: [`${apps}/exchange/dist/main.js`],
      env: {
        ...good,
        ...target.urls('localhost'),
        PATH: process.env.PATH,
        NODE_EXTRA_CA_CERTS: join(folder, authorities),
        COUNTERSIGN_PORT: String(port),
        COUNTERSIGN_MANAGEMENT_PORT: String(management),
      },
      probe: async () => void (await fetch(`http://127.0.0.1:${port}/health/live`)),
    });
    running.push(exchange);
    await exchange.start();
    return eventually(async () => {
      const answer = await fetch(`http://127.0.0.1:${management}/health`);
      const { checks } = (await answer.json()) as { checks: Record<string, string> };
      const found = { nats: checks['Bus'], redis: checks['ExpiringStore'], postgres: checks['ExchangeDatabase'] };
      const isUp = Object.values(found).every((state) => state === 'ok');
      const hasTried = proxies.every(({ accepted }, at) => accepted >= (before[at] ?? 0) + 4);
      if (!isUp && !hasTried) throw new Error(`not yet: ${JSON.stringify(found)}`);
      return found;
    }, 120_000);
  }

  it.each<[string, 'here' | 'elsewhere', string, string]>([
    ['are used under a name that their certificate has, of an authority that is known', 'here', 'known.pem', 'ok'],
    ['are not used when their certificate is of another authority', 'here', 'unknown.pem', 'failed'],
    ['are not used under a name that their certificate does not have', 'elsewhere', 'known.pem', 'failed'],
  ])('%s', async (_, where, authorities, state) => {
    expect(await checksOf(servers[where], authorities)).toEqual({ nats: state, redis: state, postgres: state });
  });
});
