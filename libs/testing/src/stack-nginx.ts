import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serverBinary } from './servers/binaries';
import { ServerProcess, talk } from './servers/server-process';
import { serverOn, type TestServer } from './servers/test-server';
import { deployFolder } from './stack-servers';

export interface NginxOptions {
  folder: string;
  port: number;
  /** `host:port` of each replica by the name of its upstream. */
  upstreams: ReadonlyMap<string, string[]>;
}

const upstream = (name: string, addresses: string[]): string =>
  [
    `upstream ${name} {`,
    ...addresses.map((address) => `  server ${address} max_fails=2 fail_timeout=2s;`),
    '  keepalive 32;',
    '  keepalive_timeout 30s;',
    '}',
  ].join('\n');

/** nginx with deploy/nginx/nginx.conf; only where it listens, its upstreams and its folder are ours. */
export async function startNginx({ folder, port, upstreams }: NginxOptions): Promise<TestServer> {
  const { command, env } = await serverBinary('nginx');
  await mkdir(folder, { recursive: true });
  const source = await readFile(join(deployFolder, 'nginx/nginx.conf'), 'utf8');
  const config = source
    .replaceAll('/tmp/nginx', join(folder, 'nginx'))
    .replace('access_log /dev/stdout', `access_log ${join(folder, 'access.log')}`);
  await writeFile(join(folder, 'nginx.conf'), config);
  for (const name of ['problem-headers.conf', 'oauth-headers.conf'])
    await copyFile(join(deployFolder, 'nginx', name), join(folder, name));
  await writeFile(join(folder, 'listen.conf'), `listen 127.0.0.1:${port} default_server;\n`);
  const blocks = [...upstreams].map(([name, addresses]) => upstream(name, addresses));
  await writeFile(join(folder, 'upstreams.conf'), `${blocks.join('\n')}\n`);
  const server = new ServerProcess({
    name: 'nginx',
    command,
    env,
    // One process: workers would outlive a master that is killed.
    args: ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr', '-g', 'master_process off;'],
    probe: async () => {
      const answer = await talk(port, 'GET /no-such-path HTTP/1.0\r\n\r\n');
      if (!answer.startsWith('HTTP/1.1 404')) throw new Error(answer);
    },
  });
  return serverOn(server, { url: `http://127.0.0.1:${port}`, port, cleanUp: async () => undefined });
}
