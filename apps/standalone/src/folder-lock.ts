import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const WAIT_MS = 10_000;
const POLL_MS = 100;
const HEARTBEAT_MS = 1_000;
/** Of a process that we cannot look at, because it is in another container: no sign of life for this long. */
const SILENT_MS = 5_000;

/** Number, host, and start of a process: a number alone may have been given to another since. */
const identity = (pid: number): string => `${pid} ${hostname()} ${startOf(pid)}`;

function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function isAlive(holder: string, file: string): boolean {
  const [pid = '', host] = holder.split(' ');
  if (host !== hostname()) return Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) < SILENT_MS;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return identity(Number(pid)) === holder;
}

/**
 * Takes a folder for this process; waits some seconds for one that is about to end. Resolves with what lets go of it.
 * A holder that was killed does not hold it any more.
 * @throws Error that names the holder
 */
export async function lockFolder(folder: string, waitMs = WAIT_MS): Promise<() => void> {
  const file = join(folder, 'lock');
  const own = `${file}.${process.pid}`;
  writeFileSync(own, identity(process.pid));
  try {
    for (const deadline = Date.now() + waitMs; !take(own, file);) {
      const holder = readIfThere(file);
      if (holder === null) continue;
      if (!isAlive(holder, file)) discard(file, holder);
      else if (Date.now() > deadline) throw new Error(`process ${holder.split(' ')[0]} is using ${folder}`);
      else await pause(POLL_MS);
    }
  } finally {
    rmSync(own, { force: true });
  }
  const heartbeat = setInterval(() => touch(file), HEARTBEAT_MS).unref();
  return () => {
    clearInterval(heartbeat);
    rmSync(file, { force: true });
  };
}

/** A link appears whole or not at all, unlike a file that is written. */
function take(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** Away with a dead holder's lock; if another was quicker and it is his that we took away, he gets it back. */
function discard(file: string, holder: string): void {
  const aside = `${file}.${process.pid}.dead`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  if (readIfThere(aside) !== holder) take(aside, file);
  rmSync(aside, { force: true });
}

function touch(file: string): void {
  try {
    utimesSync(file, new Date(), new Date());
  } catch {
    // The folder was removed under us; nothing to keep alive then.
  }
}
