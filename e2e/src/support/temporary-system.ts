import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbedded, type EmbeddedSystem } from './embedded';

/** An embedded system that logs everything, in a folder of its own that goes away with `stop()`. */
export async function startTemporarySystem(
  settings: Record<string, string> = {},
): Promise<EmbeddedSystem & { stop(): Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'countersign-e2e-'));
  await chmod(dataDir, 0o755);
  const system = await startEmbedded(dataDir, undefined, { COUNTERSIGN_LOG_LEVEL: 'trace', ...settings });
  return {
    ...system,
    stop: async () => {
      await system.kill('SIGTERM');
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
