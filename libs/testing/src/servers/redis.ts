import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverBinary } from './binaries';
import { freePort, ServerProcess, talk } from './server-process';
import { externalServer, serverOn, type TestServer } from './test-server';

export interface RedisOptions {
  /** More lines of configuration, such as users, `appendonly yes` or `maxmemory`; they win over ours. */
  config?: string;
  /** A free one unless given. */
  port?: number;
}

/** Starts redis-server (nothing kept on disk) on the loopback interface, or takes that of COUNTERSIGN_TEST_REDIS_URL. */
export async function startRedis(options: RedisOptions = {}): Promise<TestServer> {
  const external = process.env.COUNTERSIGN_TEST_REDIS_URL;
  if (external !== undefined) return externalServer(external);
  const { command, env } = await serverBinary('redis-server');
  const folder = await mkdtemp(join(tmpdir(), 'countersign-redis-'));
  const port = options.port ?? (await freePort());
  const own = ['bind 127.0.0.1', `port ${port}`, `dir ${folder}`, 'save ""', 'appendonly no', 'daemonize no'];
  await writeFile(join(folder, 'redis.conf'), [...own, options.config ?? '', ''].join('\n'));
  const server = new ServerProcess({
    name: 'redis-server',
    command,
    env,
    args: [join(folder, 'redis.conf')],
    probe: async () => {
      const answer = await talk(port, 'PING\r\n');
      // A server that asks for a password is ready; one that is loading is not.
      if (!/^(\+PONG|-NOAUTH|-NOPERM)/.test(answer)) throw new Error(answer);
    },
  });
  return serverOn(server, { url: `redis://127.0.0.1:${port}`, port, cleanUp: () => rm(folder, { recursive: true }) });
}
