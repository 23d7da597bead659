import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { startRedis } from '@countersign/testing';

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
