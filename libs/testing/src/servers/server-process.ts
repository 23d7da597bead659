import { randomInt } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestDisk } from './test-disk';

const START_DEADLINE_MS = 150_000;
/** More than the 20 s that a service gives itself. */
const STOP_DEADLINE_MS = 25_000;
const RETRY_MS = 15;

export interface ServerProcessOptions {
  name: string;
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  /** One try to talk to the server; rejects while it cannot serve yet. */
  probe: () => Promise<void>;
  /** The operating system's user to run as; needs root. */
  ids?: { uid: number; gid: number } | undefined;
  /** The only one that sees it. */
  disk?: TestDisk | undefined;
  /** What ends the server when this process dies: SIGKILL unless said. */
  signalOnParentDeath?: 'SIGKILL' | 'SIGQUIT';
  /** What asks it to end in order: SIGTERM unless said. */
  stopSignal?: NodeJS.Signals;
}

/** Below the ports that the system hands out to outgoing connections, which would take one between look and use. */
const PORTS = { from: 10_240, count: 20_000 };
const handedOut = new Set<number>();

/** A port of this machine that is free at the moment; never the same one twice in this process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + randomInt(PORTS.count);
    if (handedOut.has(port) || !(await canListen(port))) continue;
    handedOut.add(port);
    return port;
  }
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  try {
    // On all addresses: some of the servers listen on more than loopback.
    await once(server.listen(port), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    if (server.listening) await once(server.close(), 'close');
  }
}

/** Sends one line over TCP and resolves with the first bytes of the answer. */
export async function talk(port: number, line: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', signal: AbortSignal.timeout(2_000) });
  try {
    await once(socket, 'connect');
    if (line !== '') socket.write(line);
    const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(2_000) })) as [Buffer];
    return answer.toString('latin1');
  } finally {
    socket.on('error', () => undefined);
    socket.destroy();
  }
}

/** Whether every thread has stopped (proc(5)); true where there is no such file system. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return true;
  return readdirSync(tasks).every((task) => readFileSync(`${tasks}/${task}/stat`, 'latin1').includes(') T '));
}

const living = new Set<ChildProcess>();
process.on('exit', () => living.forEach((child) => child.kill('SIGKILL')));

/**
 * One real server as a child process. It ends with this process: at its exit, and on Linux also when it is killed
 * (a signal on the death of the parent).
 */
export class ServerProcess {
  private child: ChildProcess | undefined;
  private output = '';

  constructor(private readonly options: ServerProcessOptions) {}

  /** The process id while it runs. */
  get pid(): number {
    if (this.child?.pid === undefined) throw new Error(`${this.options.name} does not run`);
    return this.child.pid;
  }

  /** What it ended with; null while it runs, and when a signal ended it. */
  get exitCode(): number | null {
    return this.child?.exitCode ?? null;
  }

  /** Starts it and resolves when the probe succeeds. @throws Error with the end of its output when it ends instead */
  async start(): Promise<void> {
    const { name, probe } = this.options;
    const child = this.spawn();
    const deadline = Date.now() + START_DEADLINE_MS;
    for (;;) {
      const failure = await probe().then(
        () => undefined,
        (error: unknown) => error ?? 'failed',
      );
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${name} ended: ${this.output}`);
      if (failure === undefined) return;
      if (Date.now() > deadline) {
        await this.kill();
        throw new Error(`${name} is not ready: ${this.output}`, { cause: failure });
      }
      await delay(RETRY_MS);
    }
  }

  /** Ends it in order; by force when that takes too long. */
  async stop(): Promise<void> {
    const force = setTimeout(() => this.child?.kill('SIGKILL'), STOP_DEADLINE_MS);
    this.child?.kill('SIGCONT');
    await this.end(this.options.stopSignal ?? 'SIGTERM');
    clearTimeout(force);
  }

  /** As a power cut would: no last words. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Freezes it: connections stay open, nothing is answered. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
    // The signal is delivered a little later: until then it still answers.
    const deadline = Date.now() + 1_000;
    while (!isStopped(this.pid) && Date.now() < deadline);
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  private spawn(): ChildProcess {
    const { command, args, env } = this.options;
    const [program, ...rest] = [...this.wrapper(), command, ...args];
    const child = spawn(program as string, rest, { env: env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.output = '';
    const keep = (chunk: Buffer): void => void (this.output = (this.output + chunk.toString()).slice(-4_000));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    living.add(child);
    child.on('exit', () => living.delete(child));
    child.on('error', (error) => (this.output += error.message));
    return child;
  }

  /** `setpriv` (util-linux) and `nsenter` become the server itself, so that the process id stays the one we know. */
  private wrapper(): string[] {
    const { ids, signalOnParentDeath = 'SIGKILL', disk } = this.options;
    const within = disk?.within ?? [];
    if (!existsSync('/usr/bin/setpriv')) return within;
    const identity = ids === undefined ? [] : [`--reuid=${ids.uid}`, `--regid=${ids.gid}`, '--clear-groups'];
    return [...within, 'setpriv', ...identity, '--pdeathsig', signalOnParentDeath.slice('SIG'.length)];
  }
}
