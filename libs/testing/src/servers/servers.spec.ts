import { once } from 'node:events';
import { connect } from 'node:net';
import { startNats, startPostgres, startRedis, type TestServer } from '../index';

const accepts = async (port: number): Promise<boolean> => {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
};

const servers: [string, () => Promise<TestServer>][] = [
  ['nats-server', () => startNats()],
  ['redis-server', () => startRedis()],
  ['postgres', () => startPostgres()],
];

describe.each(servers)('%s', (_name, start) => {
  test('serves on a loopback port until it is stopped, and again after a kill', async () => {
    const server = await start();
    try {
      expect(await accepts(server.port)).toBe(true);
      await server.kill();
      expect(await accepts(server.port)).toBe(false);
      await server.restart();
      expect(await accepts(server.port)).toBe(true);
    } finally {
      await server.stop();
    }
    expect(await accepts(server.port)).toBe(false);
  });
});

test('a server that cannot start fails the test with what it said', async () => {
  await expect(startNats({ config: 'no_such_setting {' })).rejects.toThrow(/nats-server ended: .+/s);
});
