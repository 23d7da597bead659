import { readFileSync } from 'node:fs';
import { inRoot } from './setup.mjs';

// What is installed is what was tried (integrity), from whichever registry npm is configured with (no host).

export function checkLockfile() {
  const { packages } = JSON.parse(readFileSync(inRoot('package-lock.json'), 'utf8'));
  return Object.entries(packages).flatMap(([path, { integrity, resolved, link }]) => {
    if (link === true || !path.includes('node_modules/')) return [];
    const problems = [];
    // Whoever publishes under our names must not get in.
    if (path.includes('node_modules/@countersign/')) problems.push(`package-lock.json: ${path} is not the workspace`);
    if (integrity === undefined) problems.push(`package-lock.json: ${path} has no integrity`);
    if (resolved !== undefined) problems.push(`package-lock.json: ${path} names a host`);
    return problems;
  });
}
