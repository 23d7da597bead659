import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { LineCounter, parseAllDocuments } from 'yaml';
import { EXIT, Failure, usageFailure } from './failure';
import { withClaims } from './policy-test-claims';
import type { Terminal } from './terminal';

/** Documents ready to be sent: one YAML stream, and where each of its documents came from. */
export interface DocumentStream {
  text: string;
  /** File of the document with this index, and its place in that file when it holds several. */
  placeOf: (documentIndex: number) => string | null;
}

export interface Source {
  name: string;
  /** Absolute; null for standard input. */
  path: string | null;
  text: string;
  count: number;
}

/** Options of a command on documents. */
export interface DocumentOptions {
  filename?: string[];
}

/** A command on documents: it takes their paths as arguments, and with `-f` as kubectl does; `namedPaths` has both. */
export const documentsCommand = (name: string, without = ''): Command =>
  new Command(name)
    .argument('[path...]', `files and folders, or - for standard input${without}`)
    .option('-f, --filename <path...>', 'the same as the arguments');

export const namedPaths = (paths: readonly string[], filename: readonly string[] = []): string[] => [
  ...paths,
  ...filename,
];

const documentFile = /\.(ya?ml|json)$/;

const NAME_SOME = 'Name a file, a folder, or - for standard input.';

/** Reads the named files, folders (their YAML and JSON files, not deeper) and `-` (standard input). */
export async function readDocuments(terminal: Terminal, names: readonly string[]): Promise<DocumentStream> {
  if (names.length === 0) throw usageFailure('no documents are named', NAME_SOME);
  const read: Source[] = [];
  for (const name of names) {
    if (name === '-') read.push(toSource({ path: null, name: 'standard input' }, await terminal.readStdin()));
    else read.push(...filesOf(resolve(terminal.cwd, name), name).map(readSource));
  }
  const sources = withClaims(read, terminal.cwd);
  const places = sources.flatMap(({ name, count }) =>
    Array.from({ length: count }, (_, index) => (count === 1 ? name : `${name} (document ${index + 1})`)),
  );
  if (places.length === 0) throw usageFailure(`there is no document in ${names.join(', ')}`);
  const text = sources.filter(({ count }) => count > 0).map((source) => source.text.trimEnd());
  return { text: `${text.join('\n---\n')}\n`, placeOf: (index) => places[index] ?? null };
}

function filesOf(path: string, name: string): { path: string; name: string }[] {
  try {
    if (!statSync(path).isDirectory()) return [{ path, name }];
    const files = readdirSync(path).filter((file) => documentFile.test(file));
    return files.sort().map((file) => ({ path: join(path, file), name: join(name, file) }));
  } catch {
    throw usageFailure(`cannot read ${name}`, NAME_SOME);
  }
}

function readSource(file: { path: string; name: string }): Source {
  return toSource(file, readFileSync(file.path, 'utf8'));
}

/** A JSON array holds one document per element; anything else is a YAML stream (JSON is YAML). */
function toSource({ name, path }: Pick<Source, 'name' | 'path'>, text: string): Source {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines });
  const parsed = Array.isArray(documents) ? documents : [];
  const error = parsed.flatMap(({ errors }) => errors)[0];
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new Failure(EXIT.refused, `${name}:${line}:${col}: ${error.message.split('\n')[0] ?? 'not YAML'}`);
  }
  const values = parsed.map((document) => document.toJS() as unknown).filter((value) => value !== null);
  const [only] = values;
  if (values.length !== 1 || !Array.isArray(only)) return { name, path, text, count: values.length };
  return { name, path, text: only.map((item) => JSON.stringify(item)).join('\n---\n'), count: only.length };
}
