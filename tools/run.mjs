import { existsSync } from 'node:fs';
import { fail } from './console.mjs';
import { stopWithNpm } from './parent-watch.mjs';
import { inRoot, setUp } from './setup.mjs';

// `node tools/run.mjs NAME …`: sets up, then becomes tools/dist/NAME.js.
const [name = '', ...args] = process.argv.slice(2);
setUp(['tools', 'apps/standalone', 'apps/discovery', 'apps/exchange', 'apps/policy', 'apps/audit', 'apps/cli']);
const program = inRoot('tools/dist', `${name}.js`);
if (!/^[a-z-]+$/.test(name) || !existsSync(program)) fail(`no such tool: ${name}`);
stopWithNpm();
process.argv.splice(1, process.argv.length, program, ...args);
await import(program);
