import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { eventually, freePort } from '@countersign/testing';
import type { Target } from './client';

const MAIN = resolve(__dirname, '../../../apps/standalone/dist/main.js');

export interface EmbeddedSystem extends Target {
  /** What it printed for a person. */
  output(): string;
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts the embedded mode on a data folder; the same port keeps the same issuer across restarts. */
export async function startEmbedded(
  dataDir: string,
  port?: number,
  settings: Record<string, string> = {},
): Promise<EmbeddedSystem> {
  const chosen = port ?? (await freePort());
  const own = { COUNTERSIGN_PORT: String(chosen), COUNTERSIGN_DATA_DIR: dataDir };
  const environment = { ...process.env, ...own, ...settings };
  const child: ChildProcess = spawn(process.execPath, [MAIN], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout?.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr?.on('data', (text: Buffer) => (output += text.toString()));
  const url = `http://127.0.0.1:${chosen}`;
  await eventually(async () => {
    if (child.exitCode !== null) return;
    const { status } = await fetch(`${url}/health/ready`);
    if (status !== 200) throw new Error(`not ready: ${status}`);
  }, 120_000);
  if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${output}`);
  return {
    url,
    adminToken: (await readFile(join(dataDir, 'admin-token'), 'utf8')).trim(),
    output: () => output,
    kill: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, 'exit');
    },
  };
}
