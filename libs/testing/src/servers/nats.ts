import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverBinary } from './binaries';
import { externalServer, serverOn, type TestServer } from './test-server';
import { freePort, ServerProcess, talk } from './server-process';
import type { TestDisk } from './test-disk';

export interface NatsOptions {
  /** More lines of configuration, such as users and permissions; a `jetstream` block replaces ours. */
  config?: string;
  /** A free one unless given. */
  port?: number;
  /** Where JetStream keeps its files; a temporary folder unless given. */
  jetStreamDir?: string;
  /** Where JetStream keeps its files, unless `jetStreamDir` says. */
  disk?: TestDisk;
}

/** Starts nats-server with JetStream on the loopback interface, or takes the one of COUNTERSIGN_TEST_NATS_URL. */
export async function startNats(options: NatsOptions = {}): Promise<TestServer> {
  const external = process.env.COUNTERSIGN_TEST_NATS_URL;
  if (external !== undefined && options.disk === undefined) return externalServer(external);
  const folder = await mkdtemp(join(tmpdir(), 'countersign-nats-'));
  const port = options.port ?? (await freePort());
  const config = options.config ?? '';
  const jetStream = `jetstream { store_dir: "${options.jetStreamDir ?? join(options.disk?.folder ?? folder, 'jetstream')}" }`;
  const lines = [`listen: "127.0.0.1:${port}"`, /^\s*jetstream\b/m.test(config) ? '' : jetStream, config];
  await writeFile(join(folder, 'nats.conf'), lines.join('\n'));
  return runNats(join(folder, 'nats.conf'), port, () => rm(folder, { recursive: true }), options.disk);
}

/** Runs nats-server with a configuration that has it listen on this port of the loopback interface. */
export async function runNats(
  config: string,
  port: number,
  cleanUp: () => Promise<void>,
  disk?: TestDisk,
): Promise<TestServer> {
  const server = new ServerProcess({
    name: 'nats-server',
    disk,
    ...(await serverBinary('nats-server')),
    args: ['-c', config],
    probe: async () => {
      if (!(await talk(port, '')).startsWith('INFO')) throw new Error('not a NATS server');
    },
  });
  return serverOn(server, { url: `nats://127.0.0.1:${port}`, port, cleanUp });
}
