import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../waiting';

/** tmpfs: its size can be set. ext4: can lose its power, and then loses what was not synced. */
export type DiskKind = 'tmpfs' | 'ext4';

/** Journal commits wait for somebody to sync: what was not synced must not reach the image by itself meanwhile. */
const MOUNT_EXT4 = 'mount -o loop,commit=300 "$2" "$1"';
const MOUNT_TMPFS = 'mount -t tmpfs -o mode=755 tmpfs "$1"';
const IMAGE_SIZE = '512M';

/** Why this machine can have no such disk, or null: it takes root, and the right to mount. */
export function diskRefusal(kind: DiskKind): string | null {
  if (process.platform !== 'linux') return 'mounting a file system takes Linux';
  if (process.getuid?.() !== 0) return 'mounting a file system takes root';
  const folder = mkdtempSync(join(tmpdir(), 'countersign-disk-'));
  const image = join(folder, 'image');
  const script =
    kind === 'tmpfs'
      ? MOUNT_TMPFS
      : `truncate -s 8M "$2" && PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q "$2" && ${MOUNT_EXT4}`;
  const { error, status, stderr } = spawnSync('unshare', ['--mount', 'sh', '-ec', script, 'sh', folder, image]);
  rmSync(folder, { recursive: true, force: true });
  if (error !== undefined) return `no unshare: ${error.message}`;
  return status === 0 ? null : `no ${kind}: ${stderr.toString().trim()}`;
}

/**
 * A file system of its own, seen only by servers that are started with it (`disk` of their options). It is mounted in a
 * mount namespace that a child process holds: however this process ends, mount and loop device go with it.
 */
export class TestDisk {
  private holder: ChildProcess | undefined;
  /** Of the holder, while it is mounted. */
  private namespace: string | null = null;
  private readonly home: string;
  private images = 0;

  private constructor(private readonly kind: DiskKind) {
    this.home = mkdtempSync(join(tmpdir(), 'countersign-disk-'));
    // As root PostgreSQL runs as another user, who has to get in.
    chmodSync(this.home, 0o755);
    mkdirSync(this.folder);
  }

  /** @throws Error when the machine does not let us: ask `diskRefusal` first */
  static async make(kind: DiskKind): Promise<TestDisk> {
    const disk = new TestDisk(kind);
    try {
      if (kind === 'ext4') {
        const script = 'truncate -s "$2" "$1" && PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -m 0 "$1"';
        await finished(spawn('sh', ['-c', script, 'sh', disk.image, IMAGE_SIZE]));
      }
      await disk.mount();
    } catch (error) {
      await disk.remove();
      throw error;
    }
    return disk;
  }

  /** Where it is mounted, for those within; for others a folder of the machine's own disk. */
  get folder(): string {
    return join(this.home, 'disk');
  }

  /** The beginning of the command line of a program that is to see it. */
  get within(): string[] {
    return ['nsenter', `--mount=/proc/${this.holder?.pid}/ns/mnt`, '--'];
  }

  /** Copies onto it what lies in `folder` on the machine's own disk, owners included. */
  async bringIn(): Promise<void> {
    const [enter, ...rest] = this.within;
    const pack = spawn('tar', ['-C', this.folder, '-cf', '-', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const unpack = spawn(enter as string, [...rest, 'tar', '-C', this.folder, '-xpf', '-'], {
      stdio: [pack.stdout, 'ignore', 'pipe'],
    });
    await finished(unpack);
    await this.run('sync -f "$1"');
  }

  /** Bounds a tmpfs: so many bytes of it are free afterwards. */
  async leaveFree(bytes: number): Promise<void> {
    const used = (await this.run('df --output=used -B1 "$1" | tail -n 1')).trim();
    await this.run('mount -o "remount,size=$2" "$1"', String(Number(used) + bytes));
  }

  /**
   * The power goes and comes back: every program on it is killed, and an ext4 has what its image had at that moment.
   * The image is read through the machine's page cache, so that is all that the file system was made to write, flushed
   * or not. A disk with a cache of its own may lose what was not flushed: this finds out who does not sync, and not who
   * syncs wrongly.
   */
  async losePower(): Promise<void> {
    await this.killAll();
    const before = this.image;
    this.images += 1;
    await finished(spawn('cp', ['--sparse=always', before, this.image]));
    await this.unmount();
    rmSync(before);
    await this.mount();
  }

  /** Kills what runs on it, and leaves nothing behind. */
  async remove(): Promise<void> {
    await this.killAll();
    await this.unmount();
    rmSync(this.home, { recursive: true, force: true });
  }

  /** Runs a script of the shell there; `$1` is the folder. Resolves with what it prints. */
  run(script: string, ...args: string[]): Promise<string> {
    const [enter, ...rest] = this.within;
    return finished(spawn(enter as string, [...rest, 'sh', '-ec', script, 'sh', this.folder, ...args]));
  }

  private get image(): string {
    return join(this.home, `image-${this.images}`);
  }

  private async mount(): Promise<void> {
    const script = `${this.kind === 'tmpfs' ? MOUNT_TMPFS : MOUNT_EXT4} && echo mounted && exec cat`;
    // Ends when our end of its input is closed: at the latest when this process is gone.
    const holder = spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', this.folder, this.image]);
    this.holder = holder;
    const failed = finished(holder).then(() => undefined);
    const [line] = ((await Promise.race([once(holder.stdout, 'data'), failed])) ?? []) as [Buffer?];
    failed.catch(() => undefined);
    if (line?.toString().trim() !== 'mounted') throw new Error(`no ${this.kind} was mounted`);
    this.namespace = namespaceOf(holder.pid);
  }

  private async unmount(): Promise<void> {
    const { holder } = this;
    this.namespace = null;
    if (holder === undefined || holder.exitCode !== null || holder.signalCode !== null) return;
    const ended = once(holder, 'exit');
    holder.stdin?.end();
    await ended;
  }

  /** The children of a killed server live on for a moment, and might still acknowledge something. */
  private async killAll(): Promise<void> {
    await eventually(() => {
      const others = processesWithin(this.namespace).filter((pid) => pid !== this.holder?.pid);
      others.forEach(kill);
      if (others.length > 0) throw new Error(`still on the disk: ${others.join(', ')}`);
    });
  }
}

/** Those in a mount namespace that is not ours. */
function processesWithin(namespace: string | null): number[] {
  if (namespace === null || namespace === namespaceOf(process.pid)) return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => namespaceOf(pid) === namespace);
}

function namespaceOf(pid: number | undefined): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    // It has ended.
    return null;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was faster.
  }
}

/** What it printed. @throws Error with what it complained of */
async function finished(child: ChildProcess): Promise<string> {
  const said = { out: '', err: '' };
  child.stdout?.on('data', (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (said.err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${child.spawnfile} failed: ${said.err.trim()}`);
  return said.out;
}
