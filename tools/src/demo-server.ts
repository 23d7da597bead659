import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from '@countersign/testing';
import { DemoFailure } from './demo-http';
import { startProgram, waitFor } from './demo-process';

const DEFAULT_URL = 'http://127.0.0.1:8080';

/** A countersign to talk to. */
export interface DemoServer {
  url: string;
  adminToken: string;
  /** Where it keeps its data; null for a system that was running already. */
  dataDir: string | null;
  stop: () => Promise<void>;
}

/** The system at COUNTERSIGN_URL, else the one that `npm start` runs here, else one that lives as long as the demo. */
export async function findServer(env: NodeJS.ProcessEnv): Promise<DemoServer> {
  const url = env['COUNTERSIGN_URL']?.replace(/\/+$/, '') || DEFAULT_URL;
  const adminToken = env['COUNTERSIGN_TOKEN'] ?? (await readAdminToken(resolve('.countersign')));
  const running = { url, adminToken: adminToken ?? '', dataDir: null, stop: () => Promise.resolve() };
  if (!env['COUNTERSIGN_URL']) return (await isOurs(running)) ? running : startEmbedded();
  if (adminToken === null) throw new DemoFailure('COUNTERSIGN_TOKEN is set: the admin token of COUNTERSIGN_URL');
  return running;
}

/** Is somebody there who takes this admin token? */
async function isOurs({ url, adminToken }: DemoServer): Promise<boolean> {
  if (adminToken === '') return false;
  return fetch(`${url}/v1/resources?limit=1`, { headers: { authorization: `Bearer ${adminToken}` } }).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Starts the embedded mode on a free port with a data folder of its own, and waits until it is ready. */
export async function startEmbedded(variables: Record<string, string> = {}): Promise<DemoServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'countersign-'));
  // Started by root, PostgreSQL runs as another user, who must get through to its folder.
  await chmod(dataDir, 0o755);
  const [port, managementPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const started = startProgram('apps/standalone/dist/main.js', [], {
    COUNTERSIGN_PORT: String(port),
    COUNTERSIGN_MANAGEMENT_PORT: String(managementPort),
    COUNTERSIGN_PUBLIC_URL: url,
    COUNTERSIGN_DATA_DIR: dataDir,
    ...variables,
  });
  const stop = async (): Promise<void> => {
    await started.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const adminToken = await waitFor(started, 'countersign', () => tokenWhenReady(url, dataDir));
    return { url, adminToken, dataDir, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function tokenWhenReady(url: string, dataDir: string): Promise<string | null> {
  const ready = await fetch(`${url}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
  return ready ? readAdminToken(dataDir) : null;
}

async function readAdminToken(dataDir: string): Promise<string | null> {
  return readFile(join(dataDir, 'admin-token'), 'utf8').then(
    (text) => text.trim(),
    () => null,
  );
}
