import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const PROGRAM = resolve(__dirname, '../../../bench/dist/bench.js');
const isSoak = process.env.COUNTERSIGN_SOAK === '1';

interface Row {
  part: string;
  what: string;
  conditions: Record<string, string | number>;
  figures: Record<string, number>;
  cpuMicros: Record<string, number>;
}

let folder: string;

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'bench-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Goal {
  name: string;
  measured: number;
  met: boolean;
}

async function bench(...args: string[]): Promise<{ stdout: string; rows: Row[]; goals: Goal[] }> {
  const json = join(folder, 'bench.json');
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, ...args, '--json', json]);
  return { stdout, ...JSON.parse(await readFile(json, 'utf8')) };
}

const figuresOf = (rows: Row[], part: string, what: string): string[] =>
  Object.keys(rows.find((row) => row.part === part && row.what === what)?.figures ?? {});

test('a run says what a request costs, bare, at the peer and at each server, as a table and as JSON', async () => {
  const { stdout, rows } = await bench('floors', 'peer', '--quick', '--requests', '20');
  expect(figuresOf(rows, 'peer', 'oidc-provider')).toEqual(
    expect.arrayContaining(['rate', 'p50Ms', 'p99Ms', 'cpuMicros', 'toPeer', 'toFloor']),
  );
  for (const what of ['bare http', 'bare crypto', 'Redis SET NX', 'NATS request', 'JetStream publish'])
    expect(figuresOf(rows, 'floors', what)).toEqual(expect.arrayContaining(['rate', 'p50Ms', 'p99Ms']));
  expect(rows.filter(({ figures }) => (figures['failed'] ?? 0) > 0)).toEqual([]);
  expect(stdout).toMatch(/^oidc-provider +32 +1 +[\d,.]+/m);
  expect(stdout).not.toMatch(/\u001b/);
});

test('an exchange costs no more messages, round trips and memory than it should, whatever the machine', async () => {
  const { goals } = await bench('counts');
  expect(goals.map(({ name }) => name)).toEqual([
    'messages to NATS for one exchange, concurrency 1',
    'messages to NATS for one exchange, concurrency 32',
    'reads of Redis for one exchange, concurrency 1',
    'reads of Redis for one exchange, concurrency 32',
    'KB allocated by exchange for one exchange, concurrency 32',
    'KB allocated by policy for one exchange, concurrency 32',
    'KB allocated by audit for one exchange, concurrency 32',
  ]);
  expect(goals.filter(({ met }) => !met)).toEqual([]);
});

if (isSoak) {
  test('memory stays under 200 MB and does not grow from 100,000 to 500,000 exchanges', async () => {
    const { rows } = await bench('memory', '--exchanges', '500000');
    for (const service of ['exchange', 'discovery', 'policy', 'audit']) {
      const looks = rows.filter(({ what }) => what === service).map(({ figures }) => figures['memoryMb'] ?? NaN);
      const [, first = NaN] = looks;
      for (const look of looks) expect(look).toBeLessThan(200);
      for (const look of looks.slice(2)) expect(look).toBeLessThan(first * 1.2);
    }
  });
}
