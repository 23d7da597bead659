import { ProblemError } from '@countersign/platform';
import { Lexer, LineCounter, isScalar, parseAllDocuments, visit, type Document } from 'yaml';

const MAX_FLOW_DEPTH = 64;
const MAX_BLOCK_COLUMN = 200;
const MAX_ALIASES = 50;

/** YAML 1.2 core schema whatever a %YAML directive says; no tags of other schemas, no merge keys. */
const options = {
  version: '1.2',
  schema: 'core',
  uniqueKeys: true,
  stringKeys: true,
  prettyErrors: false,
  resolveKnownTags: false,
  merge: false,
} as const;

const malformed = (detail: string): ProblemError => new ProblemError('malformed-request', `Not valid YAML: ${detail}.`);

/**
 * The documents of a YAML stream; empty ones are skipped.
 * @throws ProblemError malformed-request, with line and column
 */
export function parseYaml(text: string): unknown[] {
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `line ${line}, column ${col}`;
  };
  refuseDeepNesting(text);
  const documents = [...parseAllDocuments(text, { ...options, lineCounter: lines })] as Document.Parsed[];
  for (const { errors, warnings } of documents) {
    // A tag that nobody resolves is only a warning to the parser; here it is somebody trying something.
    const problem = errors[0] ?? warnings[0];
    if (problem) throw malformed(`${at(problem.pos[0])}: ${problem.message}`);
  }
  return documents.filter(({ contents }) => !isEmpty(contents)).map(toValue);
}

const isEmpty = (contents: unknown): boolean => contents === null || (isScalar(contents) && contents.value === null);

function toValue(document: Document.Parsed): unknown {
  keepNumbersAsWritten(document);
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    // An alias without its anchor, or aliases of aliases that expand beyond the bound.
    throw malformed(cause instanceof Error ? cause.message.replace(/\.$/, '') : 'aliases cannot be resolved');
  }
}

/** `0123`, `1e3` or 20 digits mean an id, not a quantity: what does not read back the same stays text. */
function keepNumbersAsWritten(document: Document.Parsed): void {
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'number' && node.source !== undefined && String(node.value) !== node.source) {
        node.value = node.source;
      }
    },
  });
}

/**
 * The parser recurses, and near the end of the stack it may take the process along instead of throwing. The lexer
 * does not recurse: its tokens tell how deep flow collections go, and how far to the right a line's block
 * collections start, which bounds their depth. No text of a scalar is a token of a lone bracket.
 */
function refuseDeepNesting(text: string): void {
  let flow = 0;
  let column = 0;
  for (const token of new Lexer().lex(text)) {
    flow = flowDepthAfter(token, flow);
    column = columnAfter(token, flow, column);
    if (flow > MAX_FLOW_DEPTH || column > MAX_BLOCK_COLUMN) throw malformed('nested too deep');
  }
}

function flowDepthAfter(token: string, depth: number): number {
  if (token === '[' || token === '{') return depth + 1;
  return token === ']' || token === '}' ? Math.max(0, depth - 1) : depth;
}

function columnAfter(token: string, flowDepth: number, column: number): number {
  if (token.endsWith('\n')) return 0;
  return flowDepth === 0 && /^(?:[-?:]|[ \t]+)$/.test(token) ? column + token.length : column;
}
