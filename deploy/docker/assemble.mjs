// Copies what one service needs at run time into a folder of its own: its compiled code and that of the workspace
// libraries it depends on (from the working folder), their installed packages (from <installed>, where npm ci ran for
// this service alone), and nothing else. Usage: node assemble.mjs <service> <installed> <target>
import { cpSync, existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const SCOPE = '@countersign/';
const [service, installed, target] = process.argv.slice(2);
if (!service || !installed || !target) throw new Error('usage: assemble.mjs <service> <installed> <target>');

const folders = new Map();
for (const group of ['apps', 'libs']) {
  for (const name of readdirSync(group)) {
    const manifest = join(group, name, 'package.json');
    if (existsSync(manifest)) folders.set(SCOPE + name, join(group, name));
  }
}

const needed = new Set();
const visit = (name) => {
  const folder = folders.get(name);
  if (folder === undefined) throw new Error(`${name}: no such workspace`);
  if (needed.has(name)) return;
  needed.add(name);
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  Object.keys(dependencies)
    .filter((dependency) => dependency.startsWith(SCOPE))
    .forEach(visit);
};
visit(SCOPE + service);

const isRunTimeCode = (path) => !/\.(d\.ts|map|tsbuildinfo)$|\.(spec|fixture)\.js$|\/dist\/spec(\/|$)/.test(path);
const copyPackages = (folder) => {
  const from = join(installed, folder, 'node_modules');
  // Links between workspaces stay relative links.
  if (existsSync(from)) cpSync(from, join(target, folder, 'node_modules'), { recursive: true, verbatimSymlinks: true });
};
copyPackages('.');
for (const name of needed) {
  const folder = folders.get(name);
  if (!existsSync(join(folder, 'dist'))) throw new Error(`${folder} is not built`);
  cpSync(join(folder, 'package.json'), join(target, folder, 'package.json'));
  cpSync(join(folder, 'dist'), join(target, folder, 'dist'), { recursive: true, filter: isRunTimeCode });
  copyPackages(folder);
}
console.log([...needed].join('\n'));
