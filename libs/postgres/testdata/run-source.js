/**
 * Starts an embedded server from the sources, prints its URL, and stays until it is killed.
 * node --conditions=@cs/source run-source.js FOLDER
 */
const { readFileSync } = require('node:fs');
const { transformSync } = require('@swc/core');

const jsc = {
  target: 'es2022',
  parser: { syntax: 'typescript', decorators: true },
  transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
  keepClassNames: true,
};
require.extensions['.ts'] = (module, filename) => {
  const options = { filename, swcrc: false, jsc, module: { type: 'commonjs' } };
  module._compile(transformSync(readFileSync(filename, 'utf8'), options).code, filename);
};
require('reflect-metadata');

const { EmbeddedPostgres } = require('../src/index.ts');
const silent = { debug() {}, info() {}, warn() {}, error() {} };
new EmbeddedPostgres({ dataDir: process.argv[2], logger: silent, durable: false }).start().then(
  ({ url }) => process.stdout.write(`${url}\n`),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
setInterval(() => undefined, 60_000);
