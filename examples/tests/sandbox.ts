import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const root = join(__dirname, '..', '..');

export interface Finished {
  code: number;
  out: string;
  err: string;
}

/** A copy of what users see, in which addresses are those of the servers that a test started. */
export interface Sandbox {
  folder: string;
  /** Text of a file after replacement. */
  read: (path: string) => Promise<string>;
  /** Runs a command line as a user would, in the copy; `npx countersign` is the command of this clone. */
  run: (script: string, env?: Record<string, string>, options?: RunOptions) => Promise<Finished>;
  remove: () => Promise<void>;
}

export interface RunOptions {
  shell?: string;
  /** After this it is stopped, together with everything that it started. */
  deadlineMs?: number;
}

/** Copies `examples/` and the README; `replacements` go from the addresses shown to the real ones. */
export async function makeSandbox(replacements: Record<string, string>): Promise<Sandbox> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-examples-'));
  await cp(join(root, 'README.md'), join(folder, 'README.md'));
  await cp(join(root, 'examples'), join(folder, 'examples'), {
    recursive: true,
    filter: (path) => !path.includes('examples/tests'),
  });
  await replaceIn(folder, replacements);
  await mkdir(join(folder, 'bin'));
  const cli = join(root, 'apps/cli/bin/countersign.js');
  const npx = `#!/bin/sh\n[ "$1" = countersign ] || exit 2\nshift\nexec "${process.execPath}" "${cli}" "$@"\n`;
  await writeFile(join(folder, 'bin', 'npx'), npx, { mode: 0o755 });
  return {
    folder,
    read: (path) => readFile(join(folder, path), 'utf8'),
    run: (script, env = {}, options = {}) => runScript(folder, script, env, options),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function replaceIn(folder: string, replacements: Record<string, string>): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const text = await readFile(path, 'utf8');
    const replaced = Object.entries(replacements).reduce((all, [from, to]) => all.replaceAll(from, to), text);
    if (replaced !== text) await writeFile(path, replaced);
  }
}

/** Nothing of the surrounding environment but PATH gets in, so that a developer's settings change no result. */
function runScript(
  folder: string,
  script: string,
  env: Record<string, string>,
  { shell = 'sh', deadlineMs = 120_000 }: RunOptions,
): Promise<Finished> {
  const child = spawn(shell, ['-e', '-c', script], {
    cwd: folder,
    env: { PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, HOME: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const late = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGTERM'), deadlineMs);
  const finished: Finished = { code: -1, out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (finished.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (finished.err += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(late);
      resolve({ ...finished, code: code ?? -1 });
    });
  });
}

/** Fenced blocks of a Markdown text that a comment like `<!-- run -->` or `<!-- file: path -->` stands before. */
export function markedBlocks(markdown: string, marker: RegExp): { marker: string; text: string }[] {
  const block = /<!-- (?<marker>[^>]*?) -->\s*```\w*\n(?<text>[\s\S]*?)\n```/g;
  return [...markdown.matchAll(block)]
    .map(({ groups }) => ({ marker: groups?.['marker'] ?? '', text: groups?.['text'] ?? '' }))
    .filter((found) => marker.test(found.marker));
}
