import { ProblemError } from '@countersign/platform';
import { readDocuments } from './read-documents';

const read = (text: string): unknown[] => readDocuments(text, 'application/yaml');

function refusal(work: () => unknown): ProblemError {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
  throw new Error('not refused');
}

const laughs = [
  'a: &a [x, x, x, x, x, x, x, x, x]',
  ...[...'bcdefghi'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]`),
].join('\n');

describe('readDocuments', () => {
  it.each([
    [
      'documents of a stream, without the empty ones',
      '---\n---\n# nothing\n---\na: 1\n---\nb: 2\n...\n',
      [{ a: 1 }, { b: 2 }],
    ],
    ['no and yes as text, as YAML 1.2 has them', 'a: [no, yes, on, off]', [{ a: ['no', 'yes', 'on', 'off'] }]],
    ['the same under a directive for YAML 1.1', '%YAML 1.1\n---\na: no', [{ a: 'no' }]],
    [
      'booleans, null and plain numbers',
      'a: [true, false, null, 7, -1, 1.5]',
      [{ a: [true, false, null, 7, -1, 1.5] }],
    ],
    [
      'numbers that do not read back the same as text',
      'a: [0123, 1e3, 9007199254740993, 0x1F]',
      [{ a: ['0123', '1e3', '9007199254740993', '0x1F'] }],
    ],
    ['a few aliases', 'a: &x [1]\nb: *x\nc: *x', [{ a: [1], b: [1], c: [1] }]],
    ['<< as any other key', '<<: { a: 1 }', [{ '<<': { a: 1 } }]],
    [
      'brackets within text as text',
      `a: "${'['.repeat(500)}"\nb: |\n  ${'{'.repeat(500)}\n`,
      [{ a: '['.repeat(500), b: `${'{'.repeat(500)}\n` }],
    ],
  ])('reads %s', (_, text, documents) => {
    expect(read(text)).toEqual(documents);
  });

  it.each([
    ['a key twice', 'a: 1\na: 2\n', 'line 2, column 1'],
    ['a flow list without an end', 'a:\n  b: [1, 2\n', 'line 3, column 1'],
    ['an indentation that fits nowhere', 'a:\n    b: 1\n  c: 2\n', 'line 3, column 1'],
    ['a tag of another schema', 'a: !!js/function "x"', 'line 1, column 4'],
    ['binary', 'a: !!binary aGk=', 'line 1, column 4'],
    ['a key that is no text', '? [a]\n: b', 'line 1, column 3'],
    ['an alias without its anchor', 'a: *nowhere', 'nowhere'],
    ['aliases of aliases', laughs, 'alias'],
    ['deep flow collections', '['.repeat(100_000), 'nested too deep'],
    [
      'deep flow collections behind text that closes them',
      `a: ["${']'.repeat(90)}", ${'['.repeat(70)}`,
      'nested too deep',
    ],
    ['deep block collections on one line', '- '.repeat(100_000), 'nested too deep'],
    [
      'deep block collections over many lines',
      Array.from({ length: 500 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      'nested too deep',
    ],
  ])('refuses %s with 400 and the place', (_, text, detail) => {
    const { status, detail: said } = refusal(() => read(text));
    expect(status).toBe(400);
    expect(said).toContain(detail);
  });

  it('takes one JSON document or an array of them', () => {
    expect(readDocuments({ a: 1 }, 'application/json')).toEqual([{ a: 1 }]);
    expect(readDocuments([{ a: 1 }, 2], 'application/json')).toEqual([{ a: 1 }, 2]);
  });

  const deepJson = (): unknown => JSON.parse('['.repeat(5_000) + ']'.repeat(5_000)) as unknown;

  it.each([
    ['no body', undefined, 400],
    ['JSON null', null, 400],
    ['JSON nested without end', [deepJson()], 400],
    ['an empty array', [], 422],
    ['an empty stream', '# nothing\n', 422],
    ['more documents than we read', Array<number>(1_001).fill(1), 413],
    ['more values than we read', [Array<number>(200_001).fill(1)], 413],
  ])('refuses %s', (_, body, status) => {
    expect(refusal(() => readDocuments(body, 'application/json')).status).toBe(status);
  });

  it('refuses a form, which curl sends unless told otherwise', () => {
    const type = 'application/x-www-form-urlencoded';
    expect(refusal(() => readDocuments('a: 1', type)).status).toBe(415);
  });
});
