import { once } from 'node:events';
import { connect } from 'node:net';
import { startNats, startPostgres, startRedis, type TestServer } from '../index';

/** The port alone tells nothing: once it is free, a server of another test may have it. */
async function connectTo({ port }: TestServer): Promise<{ closed: Promise<unknown> }> {
  const socket = connect({ port, host: '127.0.0.1' }).resume();
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  return { closed: new Promise((resolve) => socket.on('close', resolve)) };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const servers: [string, () => Promise<TestServer>][] = [
  ['nats-server', () => startNats()],
  ['redis-server', () => startRedis()],
  ['postgres', () => startPostgres()],
];

describe.each(servers)('%s', (_name, start) => {
  test('serves on a loopback port until it is stopped, and again after a kill', async () => {
    const server = await start();
    const first = server.pid;
    const { closed } = await connectTo(server);
    await server.kill();
    await closed;
    expect(isAlive(first)).toBe(false);
    await server.restart();
    const second = server.pid;
    await server.stop();
    expect(isAlive(second)).toBe(false);
  });
});

test('a server that cannot start fails the test with what it said', async () => {
  await expect(startNats({ config: 'no_such_setting {' })).rejects.toThrow(/nats-server ended: .+/s);
});
