import { inRoot, setUp } from './setup.mjs';
import { stopWithNpm } from './parent-watch.mjs';

// `npm start`: sets up, then becomes the embedded system: same process, so that signals and exit codes are its own.
setUp(['apps/standalone', 'apps/cli']);
stopWithNpm();
await import(inRoot('apps/standalone/dist/main.js'));
