import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail, sayDone, sayFailed, sayStarted } from './console.mjs';

// What a clone needs before it can run: the right Node, the packages, the build. Node's own modules only.

export const root = fileURLToPath(new URL('..', import.meta.url));
export const inRoot = (...path) => join(root, ...path);

/** `require()` of ES modules came with 20.19 and 22.12. */
function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const fits = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 23;
  if (!fits) fail(`countersign needs Node 20.19 or later (22.12 or later of 22); this is ${process.versions.node}`);
}

/** Runs a program of ours; its output goes to the terminal, or is returned when it is kept. */
export function run(args, { keep = false, env = {} } = {}) {
  return spawnSync(args[0], args.slice(1), {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', keep ? 'pipe' : 'inherit', keep ? 'pipe' : 'inherit'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
}

export const node = (...args) => [process.execPath, ...args];
export const tsc = (...args) => node(inRoot('node_modules/@typescript/native/bin/tsc'), ...args);

const readJson = (path) => JSON.parse(readFileSync(inRoot(path), 'utf8'));

/** npm writes what it installed beside it, at the very end: equal versions mean that nothing is to be done. */
function isInstalled() {
  if (!existsSync(inRoot('node_modules/.package-lock.json'))) return false;
  const installed = readJson('node_modules/.package-lock.json').packages;
  const identity = ({ version, integrity, link }) => `${version} ${integrity} ${link}`;
  return Object.entries(readJson('package-lock.json').packages).every(([path, wanted]) => {
    if (!path.startsWith('node_modules/')) return true;
    const found = installed[path];
    return found === undefined
      ? wanted.optional === true || wanted.peer === true
      : identity(found) === identity(wanted);
  });
}

/**
 * From the lock file, exactly. `npm ci` would empty the folder first, under the feet of whatever runs from it.
 * Under NODE_ENV=production npm would leave out the compiler.
 */
function npmInstall() {
  const isNew = !existsSync(inRoot('node_modules'));
  const command = isNew ? ['ci'] : ['install', '--no-save'];
  return run(['npm', ...command, '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
}

function install() {
  if (isInstalled()) return;
  const since = performance.now();
  sayStarted('installing packages');
  const { status, signal } = npmInstall();
  if (status !== 0) {
    sayFailed('installing packages', since);
    process.exit(signal === null ? 1 : 130);
  }
  sayDone('packages installed', since);
}

/** One set-up at a time: `npm start` and `npm test` of a fresh clone may begin together. */
function alone(work) {
  mkdirSync(inRoot('.nx'), { recursive: true });
  const file = inRoot('.nx', 'setup.lock');
  while (!take(file)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  work();
  process.off('exit', release);
  release();
}

/** A holder that has ended, by its number, holds nothing. */
function take(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    process.kill(Number(readFileSync(file, 'utf8')) || process.pid, 0);
  } catch (error) {
    if (error.code === 'ESRCH') rmSync(file, { force: true });
  }
  return false;
}

function* sourceFiles(folder) {
  for (const entry of readdirSync(inRoot(folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* sourceFiles(path);
    else yield path;
  }
}

/** Names, sizes and times of everything that the compiler reads of ours. */
function fingerprint() {
  const hash = createHash('sha256');
  const packages = ['libs', 'apps'].flatMap((folder) => readdirSync(inRoot(folder)).map((name) => `${folder}/${name}`));
  const rootFiles = ['package-lock.json', 'tsconfig.json', 'tsconfig.base.json', 'tsconfig.pure.json'];
  const files = [...packages, 'bench', 'e2e', 'tools'].flatMap((folder) => [
    `${folder}/package.json`,
    `${folder}/tsconfig.json`,
    ...(existsSync(inRoot(folder, 'src')) ? sourceFiles(`${folder}/src`) : []),
  ]);
  for (const file of [...rootFiles, ...files]) {
    const { size, mtimeMs } = statSync(inRoot(file), { throwIfNoEntry: false }) ?? { size: -1, mtimeMs: 0 };
    hash.update(`${file}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/** Compiles what changed. `tsc -b` finds that out too, and takes a second for it, which a warm start does not have. */
function build(projects) {
  const stamp = inRoot(
    'node_modules',
    `.countersign-build-${projects.length === 0 ? 'all' : projects.join('-').replaceAll('/', '.')}`,
  );
  const now = fingerprint();
  const witnesses = projects.length === 0 ? ['apps/standalone', 'libs/testing'] : projects;
  const isBuilt = witnesses.every((project) => existsSync(inRoot(project, 'dist', '.tsbuildinfo')));
  if (isBuilt && existsSync(stamp) && readFileSync(stamp, 'utf8') === now) return;
  const since = performance.now();
  sayStarted('building');
  const { status } = run(tsc('-b', ...projects));
  if (status !== 0) {
    sayFailed('build', since);
    process.exit(1);
  }
  writeFileSync(stamp, now);
  sayDone('built', since);
}

/** The right Node, and the packages. Exits with one line when it cannot. */
export function setUpPackages() {
  checkNode();
  alone(install);
}

/** Everything up to a runnable build; `projects` are folders with a tsconfig.json, none of them means all. */
export function setUp(projects) {
  checkNode();
  alone(() => {
    install();
    build(projects);
  });
}
