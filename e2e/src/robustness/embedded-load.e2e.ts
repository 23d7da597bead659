import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { admin } from '../support/client';
import { startEmbedded, type EmbeddedSystem } from '../support/embedded';

describe('the embedded mode under many changes at once', () => {
  let folder: string;
  let system: EmbeddedSystem;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-load-'));
    system = await startEmbedded(folder);
  });

  afterAll(async () => {
    await system?.kill('SIGTERM');
    await rm(folder, { recursive: true, force: true });
  });

  it('no change waits for the connection that another one holds, and a stop is quiet', async () => {
    const url = 'http://127.0.0.1:9/hook';
    const answers = await Promise.all(Array.from({ length: 40 }, () => admin(system, 'POST', '/v1/webhooks', { url })));
    expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
    await system.kill('SIGTERM');
    expect(system.output()).not.toContain('lost an idle database connection');
  });
});
