import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { inRoot } from './setup.mjs';

// The boundary rule lets everything pass when it finds no project graph. So imports that must be refused are put
// before the rules that the real files of the same folder are held to; whatever passes is an error.

const RULES = ['@nx/enforce-module-boundaries', 'no-restricted-imports'];

export async function checkBoundaries() {
  const require = createRequire(inRoot('package.json'));
  const { ESLint } = require('eslint');
  const canaries = JSON.parse(readFileSync(inRoot('tools/canary/forbidden-imports.json'), 'utf8'));
  const real = new ESLint({ cwd: inRoot() });
  const survivors = [];
  for (const { file, import: name, why } of canaries) {
    const { rules } = await real.calculateConfigForFile(inRoot(file));
    const languageOptions = { parser: require('typescript-eslint').parser };
    const plugins = { '@nx': require('@nx/eslint-plugin') };
    const picked = Object.fromEntries(RULES.map((rule) => [rule, rules[rule] ?? 'off']));
    const overrideConfig = [{ files: ['**/*.ts'], languageOptions, plugins, rules: picked }];
    const canary = new ESLint({ cwd: inRoot(), overrideConfigFile: true, overrideConfig });
    const [result] = await canary.lintText(`import * as canary from '${name}';\ncanary;\n`, { filePath: inRoot(file) });
    const refused = result.messages.some(({ ruleId }) => RULES.includes(ruleId));
    if (!refused) survivors.push(`${file} may import ${name}, although ${why}`);
  }
  return survivors;
}
