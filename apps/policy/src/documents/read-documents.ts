import { ProblemError } from '@countersign/platform';
import { parseYaml } from './parse-yaml';

const MAX_DOCUMENTS = 1_000;
const MAX_DEPTH = 64;
/** The body limit again, for what aliases of a YAML document expand to. */
const MAX_NODES = 200_000;
const FORM = 'application/x-www-form-urlencoded';

/**
 * The raw documents of a request body: a YAML stream (as text), one JSON document, or a JSON array of them.
 * @throws ProblemError malformed-request, too-large, unsupported-media-type, invalid-document (none at all)
 */
export function readDocuments(body: unknown, contentType: string | undefined): unknown[] {
  // `curl --data-binary` without a header; what a form would mean here is anybody's guess.
  if (contentType?.toLowerCase().startsWith(FORM)) {
    throw new ProblemError('unsupported-media-type', 'Send documents as application/yaml or application/json.');
  }
  if (body === undefined || body === null) throw new ProblemError('malformed-request', 'The body is empty.');
  const documents = bounded(listOf(body));
  if (documents.length === 0) throw new ProblemError('invalid-document', 'There is no document in the body.');
  return documents;
}

/**
 * The raw documents of a file: a YAML stream, or JSON, whose arrays hold one document an element. None is fine.
 * @throws ProblemError malformed-request, too-large
 */
export const readStream = (text: string): unknown[] =>
  bounded(parseYaml(text).flatMap((document) => (Array.isArray(document) ? (document as unknown[]) : [document])));

function listOf(body: unknown): unknown[] {
  if (typeof body === 'string') return parseYaml(body);
  return Array.isArray(body) ? body : [body];
}

function bounded(documents: unknown[]): unknown[] {
  if (documents.length > MAX_DOCUMENTS) {
    throw new ProblemError('too-large', `At most ${MAX_DOCUMENTS} documents a request.`);
  }
  let budget = MAX_NODES;
  for (const document of documents) budget -= countNodes(document, budget);
  return documents;
}

/** Without recursion, since depth is what it guards against: everything after it may recurse. */
function countNodes(document: unknown, budget: number): number {
  const pending: { value: unknown; depth: number }[] = [{ value: document, depth: 0 }];
  let count = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, depth } = next;
    count += 1;
    if (depth > MAX_DEPTH) throw new ProblemError('malformed-request', `Nested more than ${MAX_DEPTH} levels deep.`);
    if (count > budget) throw new ProblemError('too-large', `More than ${MAX_NODES} values.`);
    if (typeof value !== 'object' || value === null) continue;
    for (const member of Object.values(value)) pending.push({ value: member, depth: depth + 1 });
  }
  return count;
}
