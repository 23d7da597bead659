import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import {
  BAD_CREDENTIAL_CODE,
  EVENT_TYPES,
  exchangeEventDataSchema,
  PROBLEMS,
  REFUSAL_CLASS,
  REFUSAL_CLASSES,
} from '@countersign/contracts';
import { tokenRefusalReasons } from '@countersign/tokens';
import { markedBlocks, root } from './sandbox';
import { tableAfter } from './tables';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const documents = ['README.md', 'AGENTS.md', 'examples/README.md', ...markdownIn('docs')];

function markdownIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter(({ name }) => name.endsWith('.md'))
    .map(({ parentPath, name }) => relative(root, join(parentPath, name)));
}

describe('docs/errors.md and the code say the same', () => {
  const text = read('docs/errors.md');

  test('reasons and their classes', () => {
    const rows = tableAfter(text, '<!-- table: reasons -->').map(([reason, refusalClass]) => [reason, refusalClass]);
    expect(Object.fromEntries(rows)).toEqual(REFUSAL_CLASS);
    expect(rows).toHaveLength(Object.keys(REFUSAL_CLASS).length);
    expect(rows.map(([reason]) => reason)).toEqual(expect.arrayContaining([...tokenRefusalReasons]));
  });

  test('classes', () => {
    const rows = tableAfter(text, '<!-- table: classes -->');
    expect(rows.map(([name]) => name)).toEqual([...REFUSAL_CLASSES]);
  });

  test('codes by grant', () => {
    const rows = tableAfter(text, '<!-- table: codes -->').map(([grant, code]) => [grant, code]);
    expect(Object.fromEntries(rows)).toEqual(BAD_CREDENTIAL_CODE);
  });

  test('problems with status and title', () => {
    const rows = tableAfter(text, '<!-- table: problems -->');
    const documented = rows.map(([code, status, title]) => [code, { status: Number(status), title }]);
    expect(Object.fromEntries(documented)).toEqual(PROBLEMS);
  });
});

describe('docs/events.md and the code say the same', () => {
  const text = read('docs/events.md');

  test('types', () => {
    const documented = tableAfter(text, '## Types').map(([type]) => type);
    expect([...documented].sort()).toEqual([...EVENT_TYPES].sort());
  });

  test('data of an exchange', () => {
    const documented = tableAfter(text, '<!-- fields: exchange -->').map(([member]) => member);
    expect([...documented].sort()).toEqual(Object.keys(exchangeEventDataSchema.shape).sort());
  });
});

describe.each(documents)('%s', (path) => {
  const text = read(path);

  test('links lead somewhere', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, link]) => link ?? '');
    const broken = links.filter((link) => !existsSync(join(root, dirname(path), link)));
    expect(broken).toEqual([]);
  });

  test('shown files are the files', () => {
    for (const { marker, text: shown } of markedBlocks(text, /^file: /)) {
      expect(shown).toBe(read(marker.replace('file: ', '')).trimEnd());
    }
  });
});

test('AGENTS.md is a map, not a manual', () => {
  expect(read('AGENTS.md').split('\n').length).toBeLessThanOrEqual(120);
});
