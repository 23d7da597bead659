import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from '@countersign/contracts';
import { compileSnapshot, whoCan, type PermissionQuestion } from '@countersign/policy-engine';
import { parseYaml } from '../documents/parse-yaml';

const doc = readFileSync(join(__dirname, '../../../../docs/who-can.md'), 'utf8');

/** The fenced block after `<!-- who-can: name -->`. */
function block(name: string): string {
  const [, after = ''] = doc.split(`<!-- who-can: ${name} -->`);
  return /```\w+\n(.*?)```/s.exec(after)?.[1] ?? '';
}

it('the example of docs/who-can.md is what comes out', () => {
  const documents = parseYaml(block('documents')).map((raw) => {
    const result = parseDocument(raw);
    if (!result.ok) throw new Error(JSON.stringify(result));
    return result.document;
  });
  const snapshot = compileSnapshot({ documents, publicUrl: 'https://sts.example', revision: 1 });
  expect(snapshot.errors).toEqual([]);
  const roles = whoCan(snapshot, JSON.parse(block('question')) as PermissionQuestion);
  expect(roles).toEqual(JSON.parse(block('roles')));
});
