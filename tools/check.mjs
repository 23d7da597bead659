import { mkdirSync } from 'node:fs';
import { checkBoundaries } from './boundaries.mjs';
import { say, sayDone, sayFailed } from './console.mjs';
import { checkDeclaredImports } from './declared-imports.mjs';
import { checkLockfile } from './lockfile.mjs';
import { inRoot, node, run, setUpPackages, tsc } from './setup.mjs';

// `npm run check`: everything that can be said about the code without starting a server. One line a step; output of
// failures only.

/** Files that are written by a program of ours: its command, and what it writes. */
const GENERATORS = [
  { command: node('tools/dist/openapi.js'), writes: ['docs/http'] },
  { command: node('tools/dist/schemas.js'), writes: ['docs/schemas'] },
];

const bin = (path, ...args) => node(inRoot('node_modules', path), ...args);
const nxEnv = { NX_DAEMON: 'false', CI: 'true' };

/** Runs commands one after the other; the output of the first that fails. */
function commands(...list) {
  for (const command of list) {
    const { status, stdout, stderr } = run(command, { keep: true, env: nxEnv });
    if (status !== 0) return [`${stdout}${stderr}`.trim() || `exit ${status}`];
  }
  return [];
}

function drift() {
  for (const { command, writes } of GENERATORS) {
    const problems = commands(command, ['git', 'diff', '--exit-code', '--', ...writes]);
    if (problems.length > 0) return problems;
  }
  return [];
}

const PURE = 'libs/(tokens|policy-engine|webhooks|transparency-log)/';
mkdirSync(inRoot('.nx'), { recursive: true });

const steps = [
  ['format', () => commands(bin('prettier/bin/prettier.cjs', '--check', '.'))],
  ['lock file', checkLockfile],
  ['declared imports', checkDeclaredImports],
  ['project graph', () => commands(bin('nx/dist/bin/nx.js', 'graph', '--file=.nx/graph.json'))],
  ['boundaries refuse what they must', checkBoundaries],
  ['lint', () => commands(bin('eslint/bin/eslint.js', '.', '--max-warnings=0'))],
  ['types', () => commands(tsc('-b'), tsc('-b', 'tsconfig.spec.json'))],
  ['generated files', drift],
  [
    'tests of the pure libraries',
    () => commands(bin('jest/bin/jest.js', '--selectProjects=unit', '--silent', '--testPathPatterns', PURE)),
  ],
];

setUpPackages();
let failed = 0;
for (const [name, check] of steps) {
  const since = performance.now();
  const problems = await check();
  if (problems.length === 0) {
    sayDone(name, since);
    continue;
  }
  failed += 1;
  sayFailed(name, since);
  for (const problem of problems) say(problem);
}
say(failed === 0 ? 'check: ok' : `check: ${failed} of ${steps.length} steps failed`);
process.exit(failed === 0 ? 0 : 1);
