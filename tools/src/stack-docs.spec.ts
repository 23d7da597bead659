import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const read = (path: string): string => readFileSync(resolve(__dirname, '../..', path), 'utf8');

test('the configuration table lists every variable of the code, its secrets as secrets, and no other', () => {
  const source = read('libs/platform/src/variables.ts');
  const [, secretList = ''] = /SECRETS: readonly string\[\] = \[([^\]]+)\]/.exec(source) ?? [];
  const secrets = [...secretList.matchAll(/'([A-Z_]+)'/g)].map(([, name]) => name);
  const variables = new Set([...source.matchAll(/\bname: '([A-Z_]+)'/g)].map(([, name]) => name));
  const expected = [...variables].map((name) => `${name}${secrets.includes(name) ? ' secret' : ''}`);

  const rows = read('docs/operations.md').matchAll(/^\| `COUNTERSIGN_([A-Z_]+)`\s*\|[^|]*\|[^|]*\|([^|]*)\|/gm);
  const documented = [...rows].map(([, name, secret]) => `${name}${secret?.trim() === 'yes' ? ' secret' : ''}`);

  expect(secrets.length).toBeGreaterThan(0);
  expect(documented.sort()).toEqual(expected.sort());
});
