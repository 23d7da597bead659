#!/usr/bin/env node
// A committed file, so that npm can link and mark it executable before anything is built.
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const main = join(__dirname, '..', 'dist', 'main.js');
if (existsSync(main)) require(main);
else {
  process.stderr.write('countersign is not built yet: run `npm install && npm run build` in the clone first.\n');
  process.exitCode = 2;
}
