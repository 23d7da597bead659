import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fail, say, sayDone, sayFailed, sayStarted } from './console.mjs';
import { inRoot, node, root, run, setUp } from './setup.mjs';

// `npm run soak`: the tests that have more to do with COUNTERSIGN_SOAK=1, one file at a time on a machine with nothing
// else to do, as they hold times as well. Arguments are parts of paths and narrow it down.

/** What reads the variable, or has a promised time to hold. */
const HAS_MORE_TO_DO = /COUNTERSIGN_SOAK|\bgenerous\(/;
/** The longest at the end: what fails early is known early. */
const LAST = ['apps/audit/src/trail/pages.spec.ts', 'e2e/src/ledger/'];
const LONGEST_MS = 4 * 3_600_000;
const jest = inRoot('node_modules/jest/bin/jest.js');

function filesToRun(wanted) {
  const { stdout } = run(node(jest, '--listTests'), { keep: true });
  const files = stdout.split('\n').filter((line) => line.startsWith(root));
  const place = (file) => LAST.findIndex((part) => file.includes(part));
  return files
    .filter((file) => HAS_MORE_TO_DO.test(readFileSync(file, 'utf8')))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

/** Passed and failed tests of one file; a file that cannot even start is one that failed. */
function runFile(file) {
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  const args = ['--runInBand', `--testTimeout=${LONGEST_MS}`, '--json', `--outputFile=${report}`];
  run(node(jest, ...args, '--runTestsByPath', file), { env: { COUNTERSIGN_SOAK: '1' } });
  try {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(readFileSync(report, 'utf8'));
    return { passed: numPassedTests, failed: numFailedTests + numRuntimeErrorTestSuites };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

setUp([]);
const { ensureServerBinaries } = createRequire(import.meta.url)(inRoot('libs/testing/dist/index.js'));
await ensureServerBinaries().catch((error) => fail(error.message));
const folder = mkdtempSync(join(tmpdir(), 'countersign-soak-'));
const files = filesToRun(process.argv.slice(2));
if (files.length === 0) fail('no such file has anything to soak');
const sum = { passed: 0, failed: 0 };
for (const [index, file] of files.entries()) {
  const name = `${index + 1} of ${files.length}  ${relative(root, file)}`;
  const since = performance.now();
  sayStarted(name);
  const { passed, failed } = runFile(file);
  sum.passed += passed;
  sum.failed += failed;
  (failed === 0 ? sayDone : sayFailed)(`${name}  ${passed} passed, ${failed} failed`, since);
}
rmSync(folder, { recursive: true, force: true });
say(`${sum.passed} passed, ${sum.failed} failed`);
process.exit(sum.failed === 0 ? 0 : 1);
