import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fail, say, sayDone, sayStarted } from './console.mjs';
import { inRoot, node, root, run, setUp } from './setup.mjs';

// `npm test`: sets up, sees to the servers that the tests talk to, runs Jest (arguments go through to it), runs what
// failed once more, and ends with one line that sums it all up.

/** More failed files than this are no accident of a busy machine. */
const MOST_RETRIED = 10;

async function ensureServers() {
  const since = performance.now();
  sayStarted('looking for nats-server, redis-server and nginx');
  const { ensureServerBinaries } = require(inRoot('libs/testing/dist/index.js'));
  await ensureServerBinaries().catch((error) => fail(error.message));
  sayDone('servers for the tests are there', since);
}

/** Runs Jest; its exit code, and its report unless it could not write one. */
function runJest(name, args) {
  const file = join(folder, name);
  const { status } = run(node(inRoot('node_modules/jest/bin/jest.js'), '--json', `--outputFile=${file}`, ...args));
  try {
    return { status, report: JSON.parse(readFileSync(file, 'utf8')) };
  } catch {
    return { status, report: undefined };
  }
}

/** `-t` alone narrows what runs in a file. */
function testNames(args) {
  const at = args.findIndex((arg) => /^(-t|--testNamePattern)(=|$)/.test(arg));
  return at === -1 ? [] : args.slice(at, at + (args[at].includes('=') ? 1 : 2));
}

/** Runs the files alone and one at a time, as nothing else on the machine then disturbs them. */
function retry(files) {
  say(`\n${files.length} files failed: once more, one at a time`);
  return runJest('again.json', ['--runInBand', ...testNames(args), '--runTestsByPath', ...files]).report;
}

setUp([]);
const require = createRequire(import.meta.url);
await ensureServers();
const { failedFiles, summarise } = require(inRoot('tools/dist/test-report.js'));
const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
const args = process.argv.slice(2);
const { status, report } = runJest('first.json', args);
const failures = report === undefined ? [] : failedFiles(report);
const again = failures.length > 0 && failures.length <= MOST_RETRIED ? retry(failures) : undefined;
rmSync(folder, { recursive: true, force: true });
const { passed, failed, flaky } = report === undefined ? { passed: 0, failed: 1, flaky: [] } : summarise(report, again);
for (const file of flaky) say(`flaky: ${relative(root, file)} failed first and passed the second time`);
say(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && (status === 0 || again !== undefined) ? 0 : 1);
