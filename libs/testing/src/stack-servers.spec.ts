import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { TestServer } from './servers/test-server';
import { makeSecrets, type RedisUser } from './stack-secrets';
import { startStackRedis } from './stack-servers';

const secrets = makeSecrets();

describe('Redis', () => {
  let folder: string;
  let server: TestServer;
  const clients: Redis[] = [];

  const connectAs = (username?: RedisUser): Redis => {
    const credentials = username === undefined ? {} : { username, password: secrets.redis[username] };
    const client = new Redis({ port: server.port, host: '127.0.0.1', ...credentials, retryStrategy: () => null });
    client.on('error', () => undefined);
    clients.push(client);
    return client;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-stack-redis-'));
    server = await startStackRedis(folder, secrets);
  });

  afterAll(async () => {
    clients.forEach((client) => client.disconnect());
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('a stranger may do nothing', async () => {
    await expect(connectAs().get('cs:exchange:epoch')).rejects.toThrow(/NOAUTH/);
  });

  test('the exchange does what it needs: reserve, read, count, delete if equal', async () => {
    const exchange = connectAs('exchange');
    const key = 'cs:exchange:used:1';
    const answers = await exchange.multi().set(key, 'a', 'EX', 60, 'NX').get(key).get('cs:exchange:epoch').exec();
    expect(answers).toEqual([
      [null, 'OK'],
      [null, 'a'],
      [null, null],
    ]);
    const script = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";
    expect(await exchange.eval(script, 1, key, 'a')).toBe(1);
    expect(await exchange.info('memory')).toContain('maxmemory_policy:noeviction');
  });

  test.each([
    ['discovery', ['SET', 'cs:exchange:used:1', 'x']],
    ['discovery', ['GET', 'cs:exchange:epoch']],
    ['discovery', ['EVAL', 'return 1', '0']],
    ['exchange', ['SET', 'cs:discovery:keys:x', '{}']],
    ['exchange', ['EVAL', "return redis.call('set', 'cs:discovery:keys:x', '{}')", '0']],
    ...(['discovery', 'exchange'] as const).flatMap((user) =>
      [
        ['FLUSHALL'],
        ['FLUSHDB'],
        ['KEYS', '*'],
        ['SCAN', '0'],
        ['CONFIG', 'GET', '*'],
        ['MONITOR'],
        ['ACL', 'LIST'],
      ].map((command): [RedisUser, string[]] => [user, command]),
    ),
  ] as [RedisUser, string[]][])('%s may not %s', async (user, [command = '', ...args]) => {
    await expect(connectAs(user).call(command, ...args)).rejects.toThrow(
      /NOPERM|can't access at least one of the keys/,
    );
  });

  test('what was acknowledged survives the death of the server', async () => {
    await connectAs('exchange').set('cs:exchange:used:kept', 'a', 'EX', 60);
    await server.kill();
    await server.restart();
    expect(await connectAs('exchange').get('cs:exchange:used:kept')).toBe('a');
  });
});
