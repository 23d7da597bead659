import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { DemoFailure } from './demo-http';

const root = join(__dirname, '..', '..');

export interface Started {
  child: ChildProcess;
  /** Everything it wrote so far. */
  output: () => string;
  stop: () => Promise<void>;
}

/** Starts one of our own programs (path from the root of the clone). */
export function startProgram(script: string, args: string[], env: Record<string, string>): Started {
  const child = spawn(process.execPath, [join(root, script), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  // Whatever ends the caller, nothing that it started stays behind.
  const orphan = (): void => void child.kill('SIGTERM');
  process.once('exit', orphan);
  child.once('exit', () => process.off('exit', orphan));
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(timer);
  };
  return { child, output: () => output, stop };
}

/** Waits until `find` finds something in what the program wrote or anywhere else; fails when it ends before. */
export async function waitFor<T>(
  { child, output }: Started,
  what: string,
  find: () => Promise<T | null> | T | null,
  seconds = 90,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    const found = await find();
    if (found !== null) return found;
    if (child.exitCode !== null || child.signalCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new DemoFailure(`${what} did not start:\n${output().slice(-2000)}`);
}
