import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail, say, sayDone, sayStarted } from './console.mjs';
import { inRoot, node, run, setUp } from './setup.mjs';

// `npm test`: sets up, sees to the servers that the tests talk to, runs Jest (arguments go through to it), and ends
// with one line that sums it all up.

async function ensureServers() {
  const since = performance.now();
  sayStarted('looking for nats-server, redis-server and nginx');
  const { ensureServerBinaries } = createRequire(import.meta.url)(inRoot('libs/testing/dist/index.js'));
  await ensureServerBinaries().catch((error) => fail(error.message));
  sayDone('servers for the tests are there', since);
}

/** A suite that could not even run counts as one failed test. */
function summary(file) {
  try {
    const result = JSON.parse(readFileSync(file, 'utf8'));
    return { passed: result.numPassedTests, failed: result.numFailedTests + result.numRuntimeErrorTestSuites };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

setUp([]);
await ensureServers();
const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
const report = join(folder, 'jest.json');
const jest = inRoot('node_modules/jest/bin/jest.js');
const { status } = run(node(jest, '--json', `--outputFile=${report}`, ...process.argv.slice(2)));
const { passed, failed } = summary(report);
rmSync(folder, { recursive: true, force: true });
say(`${passed} passed, ${failed} failed`);
process.exit(status === 0 && failed === 0 ? 0 : 1);
