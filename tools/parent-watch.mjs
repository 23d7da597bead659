import { readFileSync } from 'node:fs';

const EVERY_MS = 500;

/** Parent of a process, where the system shows it. */
function parentOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return null;
  }
}

/**
 * Ends this process as SIGTERM does when the npm that runs it, or the shell that npm put between, is gone: a killed
 * npm takes nobody along.
 */
export function stopWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const shell = process.ppid;
  const npm = parentOf(shell);
  setInterval(() => {
    if (process.ppid !== shell || parentOf(shell) !== npm) process.kill(process.pid, 'SIGTERM');
  }, EVERY_MS).unref();
}
