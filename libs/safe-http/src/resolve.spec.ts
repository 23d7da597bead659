import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemResolve } from './resolve';
import { SafeHttp } from './safe-http';

const NO_NAME = 3;
const SERVER_FAILED = 2;

/** What a DNS server says to a question: an error code, IPv4 addresses, or nothing at all. */
type DnsAnswer = number | string[] | 'silence';

const opened: Socket[] = [];
const noLookup = (): Promise<string[]> => Promise.reject(new Error('the system was asked'));

/** RFC 1035 section 4.1: the header and the question as they came, with flags, counts and answers. */
function reply(query: Buffer, answer: number | string[]): Buffer {
  const addresses = Array.isArray(answer) && query.readUInt16BE(query.length - 4) === 1 ? answer : [];
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180 | (Array.isArray(answer) ? 0 : answer), 2);
  header.writeUInt16BE(addresses.length, 6);
  header.fill(0, 8);
  const records = addresses.map((address) =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]),
  );
  return Buffer.concat([header, query.subarray(12), ...records]);
}

/** A DNS server on the loopback interface; questions carry no additional records here. */
async function startDns(answer: DnsAnswer): Promise<string> {
  const socket = createSocket('udp4');
  opened.push(socket);
  socket.on('message', (query, { port, address }) => {
    if (answer !== 'silence') socket.send(reply(query.subarray(0, endOfQuestion(query)), answer), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return `127.0.0.1:${socket.address().port}`;
}

function endOfQuestion(query: Buffer): number {
  let at = 12;
  while (query[at] !== 0) at += (query[at] ?? 0) + 1;
  return at + 5;
}

afterEach(() => opened.splice(0).forEach((socket) => socket.close()));

describe('names', () => {
  it('are resolved by the DNS servers', async () => {
    const resolve = systemResolve({ servers: [await startDns(['192.0.2.1', '192.0.2.2'])], lookup: noLookup });
    expect((await resolve('issuer.test')).sort()).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  it('of the hosts file go before DNS', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-hosts-'));
    const hostsFile = join(folder, 'hosts');
    await writeFile(
      hostsFile,
      '# 192.0.2.9 issuer.test\n192.0.2.7\tother.test Issuer.Test # ours\n::1 issuer.test.evil\n',
    );
    const resolve = systemResolve({ servers: [await startDns(['192.0.2.1'])], hostsFile, lookup: noLookup });
    expect(await resolve('issuer.test')).toEqual(['192.0.2.7']);
    await rm(folder, { recursive: true });
  });

  it('that DNS does not have are asked of the system, which knows search domains', async () => {
    const resolve = systemResolve({ servers: [await startDns(NO_NAME)], lookup: async () => ['192.0.2.3'] });
    expect(await resolve('keycloak.auth')).toEqual(['192.0.2.3']);
  });

  it('whose server fails are an error and keep no thread (R-36)', async () => {
    const resolve = systemResolve({ servers: [await startDns(SERVER_FAILED)], lookup: noLookup });
    await expect(resolve('issuer.test')).rejects.toMatchObject({ code: 'ESERVFAIL' });
  });

  it('whose server is silent hold up neither files nor other names, and end in time (R-36)', async () => {
    const silent = systemResolve({ servers: [await startDns('silence')], lookup: noLookup });
    const fine = systemResolve({ servers: [await startDns(['192.0.2.1'])], lookup: noLookup });
    let ended = 0;
    const asked = Array.from({ length: 20 }, (_, i) => silent(`n${i}.test`).finally(() => (ended += 1)));
    const hanging = Promise.allSettled(asked);
    await Promise.all([stat(__filename), fine('issuer.test')]);
    expect(ended).toBe(0);
    for (const one of await hanging) expect(one).toMatchObject({ status: 'rejected', reason: { code: 'ETIMEOUT' } });
  });

  it('are asked of the system two at a time, whatever becomes of them', async () => {
    const open: (() => void)[] = [];
    const lookup = (): Promise<string[]> => new Promise((_, reject) => open.push(() => reject(new Error('no'))));
    const resolve = systemResolve({ servers: [await startDns(NO_NAME)], lookup });
    const all = Promise.allSettled(Array.from({ length: 6 }, (_, i) => resolve(`n${i}.test`)));
    for (let ended = 0; ended < 6; ended += 1) {
      while (open.length === 0) await new Promise(setImmediate);
      expect(open.length).toBeLessThanOrEqual(2);
      open.shift()?.();
    }
    expect((await all).every(({ status }) => status === 'rejected')).toBe(true);
  });

  it('that cannot be resolved are a failure of DNS', async () => {
    const resolve = systemResolve({ servers: [await startDns(SERVER_FAILED)], lookup: noLookup });
    const http = new SafeHttp({ allowLoopback: false, allowedPrivateCidrs: [], proxyUrl: null, resolve });
    await expect(http.get('https://issuer.test/')).rejects.toMatchObject({ reason: 'dns' });
    await http.close();
  });
});
