import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { documentFields } from './documents';
import { parseDocument } from './documents-judged.fixture';

const text = readFileSync(join(__dirname, '../../../docs/documents.md'), 'utf8');

/** Cells of the table after a mark, without its head. */
function rowsOf(kind: string): string[][] {
  const [, after = ''] = text.split(`<!-- table: ${kind} -->`);
  const lines = after.trimStart().split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  const cells = (line: string): string[] =>
    line
      .slice(1, -1)
      .split(' | ')
      .map((cell) => cell.trim());
  return lines.slice(2, end < 0 ? undefined : end).map(cells);
}

const plain = (cell = ''): string => cell.replace(/^`|`$/g, '');

const iss = { iss: 'https://ci.example.com', aud: ['https://sts.example.com'] };
const bases: Record<string, object> = {
  JwtIssuer: iss,
  Role: { policy: ['p'], condition: { StringEqual: { 'jwt:iss': [iss.iss] } } },
  Policy: { effect: 'Allow', action: ['A:B'], resource: ['*'] },
};

describe.each(Object.entries(documentFields))('docs/documents.md and the schema of %s say the same', (kind, fields) => {
  test('the fields', () => {
    expect(rowsOf(kind).map(([field]) => plain(field))).toEqual(fields);
  });

  test.each(rowsOf(kind).map((cells) => [plain(cells[0]), cells] as const))('%s', (field, cells) => {
    const [, initial, meaning, example] = cells;
    expect([cells.length, meaning === '', initial === '']).toEqual([4, false, false]);
    const given = parse(plain(example)) as Record<string, unknown>;
    expect(Object.keys(given)).toEqual([field]);
    const whole = { ...bases[kind], ...given };
    const spec = kind === 'Policy' ? { statement: [whole] } : whole;
    const parsed = parseDocument({ apiVersion: 'countersign.dev/v1', kind, metadata: { name: 'x' }, spec });
    expect(parsed).toMatchObject({ ok: true });
    // Required is what the document says is required.
    const without = { ...bases[kind], [field]: undefined };
    const bare = kind === 'Policy' ? { statement: [without] } : without;
    const missing = parseDocument({ apiVersion: 'countersign.dev/v1', kind, metadata: { name: 'x' }, spec: bare });
    const isRequired = !missing.ok && missing.errors.some(({ code }) => code === 'required');
    expect(isRequired).toBe(initial === 'required');
  });
});
