const nx = require('@nx/eslint-plugin');
const tseslint = require('typescript-eslint');

const pure = ['libs/tokens', 'libs/policy-engine', 'libs/webhooks', 'libs/transparency-log'];
const withCrypto = ['libs/tokens', 'libs/webhooks', 'libs/transparency-log'];
const specs = ['**/*.spec.ts', '**/*.e2e.ts'];
const sources = (folders) => folders.map((folder) => `${folder}/src/**/*.ts`);

/** Who may import whom: docs/architecture.md. Arrows point at the domain. */
const boundaries = [
  { sourceTag: 'kind:pure', onlyDependOnLibsWithTags: [] },
  { sourceTag: 'kind:contracts', onlyDependOnLibsWithTags: ['kind:pure'] },
  { sourceTag: 'kind:platform', onlyDependOnLibsWithTags: ['kind:contracts', 'scope:tokens'] },
  { sourceTag: 'kind:adapter', onlyDependOnLibsWithTags: ['kind:contracts', 'kind:platform'] },
  { sourceTag: 'kind:app', onlyDependOnLibsWithTags: ['kind:pure', 'kind:contracts', 'kind:platform', 'kind:adapter'] },
  {
    sourceTag: 'kind:composer',
    onlyDependOnLibsWithTags: ['kind:contracts', 'kind:platform', 'kind:adapter', 'kind:app'],
  },
  {
    sourceTag: 'kind:testing',
    onlyDependOnLibsWithTags: ['kind:pure', 'kind:contracts', 'kind:platform', 'kind:adapter'],
  },
  // Published on its own: what others install has nothing of ours in it.
  { sourceTag: 'kind:sdk', onlyDependOnLibsWithTags: [] },
  { sourceTag: 'kind:bench', onlyDependOnLibsWithTags: ['kind:contracts', 'kind:testing'] },
  { sourceTag: 'kind:e2e', onlyDependOnLibsWithTags: ['kind:contracts', 'kind:testing', 'kind:sdk'] },
  {
    sourceTag: 'kind:tool',
    onlyDependOnLibsWithTags: ['kind:contracts', 'kind:platform', 'kind:adapter', 'kind:app', 'kind:testing'],
  },
];

const nonDeterminism = [
  {
    selector: "MemberExpression[object.name='Date'][property.name='now']",
    message: 'Pure code takes the time as an argument.',
  },
  {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: 'Pure code takes randomness as an argument.',
  },
  {
    selector: "NewExpression[callee.name='Date'][arguments.length=0]",
    message: 'Pure code takes the time as an argument.',
  },
];

const parameters = [
  {
    selector:
      ':matches(FunctionDeclaration, ArrowFunctionExpression, MethodDefinition[kind!="constructor"] > FunctionExpression)[params.length>4]',
    message: 'At most 4 parameters; then an options object.',
  },
  {
    selector: 'MethodDefinition[kind="constructor"] > FunctionExpression[params.length>6]',
    message: 'At most 5 dependencies, beside config or clock.',
  },
];

const style = [
  ...parameters,
  { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
  { selector: 'ExportAllDeclaration', message: 'Name what is exported.' },
  { selector: "CallExpression[callee.name='forwardRef']", message: 'No circular providers.' },
  {
    selector: "MemberExpression[object.name='Scope'][property.name='REQUEST']",
    message: 'Providers hold no request state.',
  },
];

module.exports = tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '.nx/**', '.countersign/**', 'tools/canary/**'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: {
        // One program for all: with one for each project the run needs more memory than Node gives itself.
        project: './tsconfig.eslint.json',
        tsconfigRootDir: __dirname,
      },
    },
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        { depConstraints: boundaries, enforceBuildableLibDependency: false, allow: [] },
      ],
      'max-lines-per-function': ['error', { max: 50, skipBlankLines: true, skipComments: true }],
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      complexity: ['error', 10],
      'max-depth': ['error', 3],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', ...style],
      'no-restricted-imports': [
        'error',
        {
          paths: [
            ...['rxjs', '@nestjs/microservices', '@nestjs/cqrs', '@nestjs/event-emitter', '@nestjs/config'].map(
              (name) => ({ name, message: 'Not in this house: docs/architecture.md.' }),
            ),
            {
              name: '@nestjs/swagger',
              message: 'Its decorators are those of @countersign/platform: a start needs none.',
            },
          ],
        },
      ],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: sources(pure),
    ignores: specs,
    rules: {
      'no-restricted-syntax': ['error', ...style, ...nonDeterminism],
      'no-restricted-globals': ['error', 'process', 'fetch', 'setTimeout', 'setInterval', 'console'],
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['node:*', 'fs', 'net', 'http', 'crypto'], message: 'Pure libraries do no I/O.' }] },
      ],
    },
  },
  {
    files: sources(withCrypto),
    ignores: specs,
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['node:*', '!node:crypto', 'fs', 'net', 'http'],
              message: 'Pure libraries do no I/O; node:crypto alone is allowed here.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['**/*.ts'],
    ignores: [
      ...specs,
      '**/*.fixture.ts',
      'libs/postgres/**',
      'libs/testing/**',
      'apps/policy/**',
      'apps/audit/**',
      'apps/exchange/**',
      ...sources(pure),
    ],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            'typeorm',
            'pg',
            'rxjs',
            '@nestjs/microservices',
            '@nestjs/cqrs',
            '@nestjs/event-emitter',
            '@nestjs/config',
          ].map((name) => ({ name, message: 'Not in this package: docs/architecture.md.' })),
          patterns: [
            { group: ['@countersign/testing'], message: 'Only specs, e2e, bench and tools use the test library.' },
          ],
        },
      ],
    },
  },
  {
    files: ['tools/src/**', 'bench/src/**', 'e2e/src/**', 'libs/testing/src/**'],
    rules: { 'no-restricted-imports': 'off' },
  },
  {
    files: ['apps/cli/src/**', 'bench/src/**', 'tools/src/**'],
    rules: { 'no-console': 'off' },
  },
  {
    // Specs run on real servers and under the conformance suites of libs/testing, which knows the adapters' ports. No
    // cycle of builds: specs are projects of their own.
    files: [...specs, '**/*.fixture.ts'],
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          depConstraints: boundaries.map(({ sourceTag, onlyDependOnLibsWithTags }) => ({
            sourceTag,
            onlyDependOnLibsWithTags: [...onlyDependOnLibsWithTags, 'kind:testing'],
          })),
          enforceBuildableLibDependency: false,
          allow: [],
          ignoredCircularDependencies: ['contracts', 'platform', 'messaging', 'redis', 'postgres', 'tokens'].map(
            (lib) => [`@countersign/${lib}`, '@countersign/testing'],
          ),
        },
      ],
    },
  },
  {
    files: [...specs, 'libs/testing/src/**', 'e2e/src/**'],
    rules: {
      'max-lines': ['error', { max: 600, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
