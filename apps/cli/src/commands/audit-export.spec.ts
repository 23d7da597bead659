import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../program';

const LINES = '{"sequence":"1"}\n{"sequence":"2"}\n';

let server: Server;
let folder: string;
let asked: string[];
let breaksOff: boolean;

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.setHeader('content-type', 'application/x-ndjson').write(LINES, () => {
      if (breaksOff) response.destroy();
      else response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  folder = await mkdtemp(join(tmpdir(), 'countersign-export-'));
});
beforeEach(() => void ([asked, breaksOff] = [[], false]));
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const terminal = {
    env: { COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: 'x'.repeat(32) },
    cwd: folder,
    isTty: false,
    readStdin: () => Promise.resolve(''),
    write: (text: string) => void (out += text),
    writeError: (text: string) => void (err += text),
  };
  const code = await runProgram(terminal, ['audit', 'export', ...args]);
  return { code, out, err };
}

describe('countersign audit export --format', () => {
  it('writes the events of a span of time into a file, one in a line', async () => {
    const { code, out } = await run('--format', 'ocsf', '--output', 'a.ndjson', '--since', '2026-11-20T00:00:00Z');
    expect([code, out]).toEqual([0, `exported 2 events to ${join(folder, 'a.ndjson')}\n`]);
    expect(asked).toEqual(['/v1/events/export?format=ocsf&from=2026-11-20T00%3A00%3A00Z']);
    expect(await readFile(join(folder, 'a.ndjson'), 'utf8')).toBe(LINES);
  });

  it('says so when the answer broke off, and exits with 3', async () => {
    breaksOff = true;
    const { code, err } = await run('--format', 'ndjson', '--output', 'b.ndjson');
    expect(code).toBe(3);
    expect(err).toMatch(/broke off.*\n.*b\.ndjson is not whole/);
  });

  it.each([
    [['--format', 'csv', '--output', 'c']],
    [['--format', 'ocsf']],
    [['--format', 'ocsf', '--output', 'c', 'folder']],
    [['folder', '--since', '2026-11-20T00:00:00Z']],
    [[]],
  ])('refuses %j with 2', async (args) => {
    expect((await run(...args)).code).toBe(2);
    expect(asked).toEqual([]);
  });
});
