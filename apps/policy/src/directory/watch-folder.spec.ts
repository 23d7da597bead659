import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../policy-service.fixture';
import { watchFolder, type WatchOptions } from './watch-folder';

const HOUR_MS = 3_600_000;
const DEADLINE_MS = 60_000;
let folder: string;
let told: number;
let stop: () => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-watch-'));
  told = 0;
});

afterEach(async () => {
  stop();
  await rm(folder, { recursive: true, force: true });
});

function watch(path: string, options: Partial<WatchOptions>): void {
  stop = watchFolder(path, { pollMs: HOUR_MS, quietMs: 20, events: true, ...options }, () => (told += 1));
}

const isTold = (times = 1) =>
  eventually(
    () => Promise.resolve(told),
    (count) => count >= times,
    DEADLINE_MS,
  );

describe('a change of a folder is told', () => {
  it.each<[string, () => Promise<void>]>([
    ['a new file', () => writeFile(join(folder, 'b'), 'x')],
    ['a file with other contents', () => writeFile(join(folder, 'a'), 'y')],
    ['a file that is put over another', () => rename(join(folder, 'a'), join(folder, 'c'))],
    ['a file that is gone', () => rm(join(folder, 'a'))],
    [
      'a link that points elsewhere',
      async () => {
        await symlink('elsewhere', join(folder, '..tmp'));
        await rename(join(folder, '..tmp'), join(folder, '..data'));
      },
    ],
  ])('at once: %s', async (_, change) => {
    await writeFile(join(folder, 'a'), 'x');
    await symlink('somewhere', join(folder, '..data'));
    watch(folder, {});
    await change();
    await isTold();
  });

  it('once for many at a time', async () => {
    watch(folder, { quietMs: 500 });
    for (let n = 0; n < 50; n += 1) await writeFile(join(folder, `f${n}`), 'x');
    await isTold();
    expect(told).toBeLessThan(25);
  });

  it('by the poll where the system tells nothing', async () => {
    watch(folder, { events: false, pollMs: 20 });
    await isTold(3);
  });

  it('in a folder that was not there when the watch began, and in one that took its place', async () => {
    const late = join(folder, 'late');
    watch(late, { pollMs: 20 });
    await mkdir(late);
    await isTold(2);
    stop();
    told = 0;
    watch(late, { pollMs: 200 });
    await rm(late, { recursive: true });
    await mkdir(late);
    await isTold(2);
    const before = told;
    await writeFile(join(late, 'a'), 'x');
    await isTold(before + 1);
  });

  it('no more after the end', async () => {
    watch(folder, { pollMs: 20 });
    await isTold();
    stop();
    const before = told;
    await writeFile(join(folder, 'a'), 'x');
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toBe(before);
  });
});
