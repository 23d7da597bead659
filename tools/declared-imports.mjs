import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { inRoot } from './setup.mjs';

// Every workspace declares what it imports: that is what a Dockerfile installs for it alone. Sources need a
// dependency; specs may also use development dependencies, those of the root, and the test library. Types of other
// people's packages are nothing that runs; the compiler finds them or does not.

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire(?:\.resolve)?\(\s*)(['"])([^'"\n]+)\1/g;
const BUILT_IN = new Set(builtinModules);
const isTest = (path) => /\.(spec|e2e|fixture)\.ts$|\/conformance\//.test(path);
const packageOf = (name) =>
  name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');

function* filesUnder(folder) {
  for (const entry of readdirSync(inRoot(folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* filesUnder(path);
    else if (path.endsWith('.ts')) yield path;
  }
}

function importsOf(path) {
  const code = readFileSync(inRoot(path), 'utf8').replace(
    /\/\*[\s\S]*?\*\/|^\s*\/\/.*$|^import type [^;]*?'[^@.][^']*';$/gm,
    '',
  );
  const names = [...code.matchAll(IMPORT)].map(([, , name]) => name);
  const isForeign = (name) => !name.startsWith('.') && !name.startsWith('/') && !name.startsWith('node:');
  return new Set(
    names
      .filter((name) => isForeign(name) && /^[@a-z]/.test(name))
      .map(packageOf)
      .filter((name) => !BUILT_IN.has(name)),
  );
}

const readManifest = (folder) => JSON.parse(readFileSync(inRoot(folder, 'package.json'), 'utf8'));

function checkWorkspace(folder, rootTools) {
  const manifest = readManifest(folder);
  const declared = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.peerDependencies };
  const inTests = { ...declared, ...manifest.devDependencies, ...rootTools, '@countersign/testing': '0.0.0' };
  const used = new Set();
  const problems = [];
  for (const path of filesUnder(`${folder}/src`)) {
    for (const name of importsOf(path)) {
      used.add(name);
      const known = isTest(path) ? inTests : declared;
      if (name !== manifest.name && known[name] === undefined) problems.push(`${path}: ${name} is not declared`);
    }
  }
  for (const name of Object.keys(declared)) {
    if (name.startsWith('@countersign/') && !used.has(name))
      problems.push(`${folder}/package.json: ${name} is not used`);
  }
  return problems;
}

export function checkDeclaredImports() {
  const rootTools = readManifest('.').devDependencies;
  const packages = ['libs', 'apps'].flatMap((folder) => readdirSync(inRoot(folder)).map((name) => `${folder}/${name}`));
  return [...packages, 'bench', 'e2e', 'tools']
    .filter((folder) => existsSync(inRoot(folder, 'package.json')) && existsSync(inRoot(folder, 'src')))
    .flatMap((folder) => checkWorkspace(folder, rootTools));
}
