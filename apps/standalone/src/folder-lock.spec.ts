import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockFolder } from './folder-lock';

let folder: string;
let releases: (() => void)[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'folder-lock-'));
  releases = [];
});

afterEach(() => {
  for (const release of releases) release();
  rmSync(folder, { recursive: true, force: true });
});

async function lock(waitMs = 0): Promise<() => void> {
  const release = await lockFolder(folder, waitMs);
  releases.push(release);
  return release;
}

const holdAs = (holder: string): void => writeFileSync(join(folder, 'lock'), holder);
const endedProcess = (): number => spawnSync(process.execPath, ['-e', '']).pid;

test('a folder in use is refused, and the refusal names the process', async () => {
  await lock();
  await expect(lock()).rejects.toThrow(`process ${process.pid} is using ${folder}`);
});

test('one that waits gets the folder when it is let go, and leaves nothing behind in the end', async () => {
  const release = await lock();
  const waiting = lock(10_000);
  release();
  (await waiting)();
  expect(readdirSync(folder)).toEqual([]);
});

test.each([
  ['a process that has ended', () => `${endedProcess()} ${hostname()} 1`],
  ['an earlier process with the number of a living one', () => `${process.pid} ${hostname()} 1`],
])('%s holds nothing', async (_name, holder) => {
  holdAs(holder());
  await expect(lock()).resolves.toBeInstanceOf(Function);
});

test('a holder in another container holds while it shows signs of life, and no longer', async () => {
  holdAs('1 elsewhere 1');
  await expect(lock()).rejects.toThrow('process 1 is using');
  utimesSync(join(folder, 'lock'), new Date(0), new Date(0));
  await expect(lock()).resolves.toBeInstanceOf(Function);
});
