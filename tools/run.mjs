import { existsSync } from 'node:fs';
import { fail } from './console.mjs';
import { stopWithNpm } from './parent-watch.mjs';
import { inRoot, setUp } from './setup.mjs';

// `node tools/run.mjs NAME …`: sets up, then becomes tools/dist/NAME.js, or NAME/dist/NAME.js.
const [name = '', ...args] = process.argv.slice(2);
setUp([
  'tools',
  'bench',
  'apps/standalone',
  'apps/discovery',
  'apps/exchange',
  'apps/policy',
  'apps/audit',
  'apps/cli',
]);
const program = ['tools', name].map((folder) => inRoot(folder, 'dist', `${name}.js`)).find((file) => existsSync(file));
if (!/^[a-z-]+$/.test(name) || program === undefined) fail(`no such tool: ${name}`);
stopWithNpm();
process.argv.splice(1, process.argv.length, program, ...args);
await import(program);
