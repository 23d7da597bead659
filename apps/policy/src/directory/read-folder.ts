import { createHash } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isPolicyTest } from '@countersign/contracts';
import { ProblemError } from '@countersign/platform';
import { readStream } from '../documents/read-documents';

const DOCUMENT_FILE = /^[^.].*\.(?:ya?ml|json)$/;
const MAX_BYTES = 4 * 1024 * 1024;

/** A document file of the folder: its text, or why it cannot be had. */
interface DocumentFile {
  name: string;
  text: string | null;
  error: string | null;
}

/** What a folder holds at one moment. */
export interface Folder {
  /** Equal for equal names and contents. */
  fingerprint: string;
  files: DocumentFile[];
}

/** A document, and where it stands. */
export interface PlacedDocument {
  raw: unknown;
  file: string;
  /** 1 for the first of the file. */
  place: number;
}

/** One thing that keeps a folder from being applied. */
export interface FolderProblem {
  file: string | null;
  /** Place of the document in the file, from 1 on. */
  document: number | null;
  kind: string | null;
  name: string | null;
  /** JSON Pointer into the document. */
  path: string | null;
  message: string;
}

/** What is wrong with a file as a whole, or with the folder. */
export const problemOf = (file: string | null, message: string): FolderProblem => ({
  file,
  document: null,
  kind: null,
  name: null,
  path: null,
  message,
});

/** Reads the document files right in the folder, by name. A folder that is missing is read as an empty one. */
export async function readFolder(path: string): Promise<Folder> {
  // Names with a dot in front are left out: a mounted ConfigMap keeps its versions in them, editors their copies.
  const names = (await namesIn(path)).filter((name) => DOCUMENT_FILE.test(name)).sort();
  const read = await Promise.all(names.map((name) => readDocumentFile(path, name)));
  const files = read.filter((file) => file !== null);
  const parts = files.map(({ name, text, error }) => [name, text, error]);
  return { fingerprint: createHash('sha256').update(JSON.stringify(parts)).digest('base64url'), files };
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** null for a folder and anything else that has no text. */
async function readDocumentFile(folder: string, name: string): Promise<DocumentFile | null> {
  const path = join(folder, name);
  try {
    const status = await stat(path);
    if (!status.isFile()) return null;
    if (status.size > MAX_BYTES) return { name, text: null, error: `larger than ${MAX_BYTES} bytes` };
    return { name, text: await readFile(path, 'utf8'), error: null };
  } catch (error) {
    return { name, text: null, error: `cannot be read (${codeOf(error)})` };
  }
}

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException).code ?? error);

/** PolicyTests belong beside what they test; whoever applies by hand runs them, the directory does not. */
const documentsOf = (text: string, file: string): PlacedDocument[] =>
  readStream(text)
    .map((raw, index) => ({ raw, file, place: index + 1 }))
    .filter(({ raw }) => !isPolicyTest(raw));

/** The documents of all files, or everything that is wrong with the files. */
export function parseFolder({ files }: Folder): { documents: PlacedDocument[]; problems: FolderProblem[] } {
  const documents: PlacedDocument[] = [];
  const problems: FolderProblem[] = [];
  for (const { name, text, error } of files) {
    try {
      if (text === null) problems.push(problemOf(name, error ?? 'cannot be read'));
      else documents.push(...documentsOf(text, name));
    } catch (fault) {
      if (!(fault instanceof ProblemError)) throw fault;
      problems.push(problemOf(name, fault.detail));
    }
  }
  return { documents, problems };
}
