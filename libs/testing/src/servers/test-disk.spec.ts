import { existsSync } from 'node:fs';
import { diskRefusal, eventually, TestDisk, testUnless, type DiskKind } from '../index';

let disk: TestDisk;
afterEach(() => disk.remove());
const make = async (kind: DiskKind): Promise<void> => void (disk = await TestDisk.make(kind));

testUnless(diskRefusal('ext4'), 'a power loss takes what was not synced, and nothing else', async () => {
  await make('ext4');
  await disk.run('echo synced > "$1/kept"; sync "$1/kept"');
  // Somebody else may have the whole machine sync just then.
  await eventually(async () => {
    await disk.run('echo lost > "$1/lost"');
    await disk.losePower();
    expect(await disk.run('cd "$1"; cat kept; ls lost 2>&1 || true')).toMatch(/^synced\n.*No such file/);
  });
});

testUnless(diskRefusal('tmpfs'), 'a tmpfs is full when told, and has space again when told', async () => {
  await make('tmpfs');
  const write = (): Promise<string> => disk.run('head -c 40000 /dev/zero > "$1/file"');
  await disk.leaveFree(20_000);
  await expect(write()).rejects.toThrow('No space left on device');
  await disk.leaveFree(80_000);
  await write();
});

testUnless(diskRefusal('tmpfs'), 'what is on it is seen by nobody else, and is gone with it', async () => {
  await make('tmpfs');
  await disk.run('echo here > "$1/file"');
  expect(existsSync(`${disk.folder}/file`)).toBe(false);
  await disk.remove();
  expect(existsSync(disk.folder)).toBe(false);
});
