import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SERVER_ENVIRONMENT, type Cluster } from './cluster-folder';

const START_LIMIT_MS = 60_000;
const FAST_STOP_LIMIT_MS = 10_000;
const STOP_LIMIT_MS = 15_000;
const POLL_MS = 10;

/** The server says no more than it must: statements, their values and the details of errors may hold secrets. */
const QUIET = ['log_min_messages=log', 'log_min_error_statement=panic', 'log_error_verbosity=terse'];
const LOCAL = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'timezone=UTC', 'jit=off'];

/** A running server. */
export interface ServerProcess {
  pid: number;
  /** Resolves when the process is gone, for whatever reason. */
  gone: Promise<void>;
  stop(): Promise<void>;
}

/** Starts the server on 127.0.0.1 and waits until it takes connections. Rejects with its last words. */
export async function launch(cluster: Cluster, port: number, settings: string[]): Promise<ServerProcess> {
  const logFile = `${cluster.data}.log`;
  const log = openSync(logFile, 'w', 0o600);
  const parameters = [...LOCAL, ...QUIET, ...settings].flatMap((setting) => ['-c', setting]);
  // A session of its own: a signal to our process group, like Ctrl-C, must not stop it under our last requests.
  const child = spawn(join(cluster.programs, 'postgres'), ['-D', cluster.data, '-p', String(port), ...parameters], {
    ...cluster.user.ids,
    cwd: '/',
    env: SERVER_ENVIRONMENT,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let end: string | undefined;
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => resolve(void (end = error.message)));
    child.once('exit', (code, signal) => resolve(void (end = `exit ${signal ?? code}`)));
  });
  const deadline = Date.now() + START_LIMIT_MS;
  while (!isReady(cluster.data, child.pid)) {
    if (end !== undefined || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`PostgreSQL does not start (${end ?? 'no answer'}): ${lastLines(logFile)}`);
    }
    await pause(POLL_MS);
  }
  const pid = child.pid ?? 0;
  const watchdog = stopWithUs(pid, cluster);
  void gone.then(() => watchdog.kill('SIGKILL'));
  child.unref();
  return { pid, gone, stop: () => stopChild(child, gone) };
}

/** The server writes its state into its lock file, which spares us connecting until it lets us. */
function isReady(data: string, pid: number | undefined): boolean {
  const lines = lockFile(data);
  return lines[0] === String(pid) && (lines[7] ?? '').startsWith('ready');
}

function lockFile(data: string): string[] {
  try {
    return readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return [];
  }
}

function lastLines(logFile: string): string {
  return readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join(' | ');
}

/** However we end, kill -9 included, the pipe to this process closes then, and it stops the server. */
function stopWithUs(pid: number, { user }: Cluster): ChildProcess {
  const watchdog = spawn('/bin/sh', ['-c', 'read -r _; kill -INT "$1"', 'sh', String(pid)], {
    ...user.ids,
    cwd: '/',
    env: SERVER_ENVIRONMENT,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.on('error', () => undefined);
  watchdog.unref();
  (watchdog.stdin as Socket | null)?.unref();
  return watchdog;
}

/** Fast shutdown: open transactions are rolled back. Then, after its time, immediate. */
async function stopChild(child: ChildProcess, gone: Promise<void>): Promise<void> {
  child.ref();
  child.kill('SIGINT');
  const harder = setTimeout(() => child.kill('SIGQUIT'), FAST_STOP_LIMIT_MS);
  const hardest = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await gone;
  clearTimeout(harder);
  clearTimeout(hardest);
}

/** Stops a server that outlived the process which started it, and clears a lock file that nobody holds. */
export async function stopLeftover(data: string): Promise<'none' | 'stopped'> {
  const pid = Number.parseInt(lockFile(data)[0] ?? '', 10);
  if (!Number.isInteger(pid) || pid <= 0) return 'none';
  if (!serves(pid, data)) {
    // The number may be another process's by now; the server would take that for a living predecessor.
    rmSync(join(data, 'postmaster.pid'), { force: true });
    return 'none';
  }
  const started = Date.now();
  signal(pid, 'SIGINT');
  let harder = false;
  while (serves(pid, data)) {
    const waited = Date.now() - started;
    if (waited > STOP_LIMIT_MS) throw new Error(`process ${pid} holds ${data} and does not stop`);
    if (waited > FAST_STOP_LIMIT_MS && !harder) {
      harder = true;
      signal(pid, 'SIGQUIT');
    }
    await pause(POLL_MS);
  }
  return 'stopped';
}

function signal(pid: number, name: 'SIGINT' | 'SIGQUIT'): void {
  try {
    process.kill(pid, name);
  } catch {
    // It went by itself in between.
  }
}

/** A server's working directory is its data folder; where there is no /proc, its command line names it. */
function serves(pid: number, data: string): boolean {
  if (process.platform !== 'linux') {
    return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout.includes(data);
  }
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === data;
  } catch {
    return false;
  }
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
