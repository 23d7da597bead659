import {
  crossCheck,
  isPolicyTest,
  parseDocument,
  parsePolicyTest,
  type DocumentError,
  type FieldError,
  type ParsedDocument,
} from '@countersign/contracts';
import { ProblemError, countErrors } from '@countersign/platform';
import { eachInSteps, type CountersignDocument, type PolicyDocument, type Steps } from '@countersign/policy-engine';
import { inStretches } from '../snapshot/in-stretches';
import { brokenRoles, neighboursOf, type StoredError } from './affected-documents';
import { materialErrors } from './issuer-material';
import { keyOf, removedDocuments, type GivenDocument, type WantedChanges } from './plan-changes';
import type { StoredState } from './stored-documents';

const MAX_ERRORS = 1_000;

export interface ValidationInput {
  raw: readonly unknown[];
  stored: StoredState['documents'];
  wanted: Omit<WantedChanges, 'given'>;
  /** Our issuer URL: nobody may register it. */
  publicUrl: string;
}

interface Candidate extends GivenDocument {
  /** Place in the request. */
  index: number;
}

interface Parsed {
  candidates: Candidate[];
  errors: DocumentError[];
  /** Policies that did not pass: a Role that names one is not to blame for it. */
  failedPolicies: PolicyDocument[];
}

/**
 * Validates documents by themselves, against each other and against what is stored, and reports everything that is
 * wrong at once. PolicyTests among them are validated, and are not what is given back: they are never stored.
 * @throws ProblemError invalid-document, or conflict when only stored documents stand in the way
 */
export async function validateDocuments({ raw, stored, wanted, publicUrl }: ValidationInput): Promise<GivenDocument[]> {
  const { candidates, errors, failedPolicies } = await inStretches(parseAll(raw));
  const given = candidates.map(({ document, raw }) => ({ document, raw }));
  const removed = removedDocuments(stored, { ...wanted, given });
  const change = { written: given.map(({ document }) => document), removed, failedPolicies };
  const neighbours = await inStretches(neighboursOf(stored, change));
  const found = crossCheck([...neighbours, ...change.written]);
  const conflicts = [...issuerConflicts(candidates, neighbours), ...namespaceConflicts(candidates, stored)];
  refuse(
    [...errors, ...issuerErrors(candidates, publicUrl), ...blamed(found, neighbours.length, candidates)],
    conflicts,
  );
  refuseBroken(await inStretches(brokenRoles(stored, change)));
  return given;
}

function* parseAll(raws: readonly unknown[]): Steps<Parsed> {
  const parsed: Parsed = { candidates: [], errors: [], failedPolicies: [] };
  const seen = new Set<string>();
  yield* eachInSteps(raws.entries(), ([index, raw]) => parseInto(parsed, seen, { index, raw }));
  return parsed;
}

function parseInto(parsed: Parsed, seen: Set<string>, { index, raw }: { index: number; raw: unknown }): void {
  const result = isPolicyTest(raw) ? parsePolicyTest(raw) : parseDocument(raw);
  if (!result.ok) {
    const { kind = null, name = null } = result;
    parsed.errors.push(...result.errors.map((error) => ({ document: index, kind, name, ...error })));
    if (kind === 'Policy' && name !== null) parsed.failedPolicies.push({ kind, name, spec: { statement: [] } });
    return;
  }
  if ('test' in result) return;
  const { document } = result;
  if (seen.has(keyOf(document))) {
    const message = 'the request has another document of this kind and name';
    parsed.errors.push(errorOf(index, document, { path: '/metadata/name', code: 'duplicate_document', message }));
    return;
  }
  seen.add(keyOf(document));
  parsed.candidates.push({ index, document, raw });
}

const errorOf = (
  index: number,
  { kind, name }: Pick<ParsedDocument, 'kind' | 'name'>,
  error: FieldError,
): DocumentError => ({ document: index, kind, name, ...error });

/** Cross-check errors of the request's own documents, with their place in the request. */
function blamed(found: DocumentError[], offset: number, candidates: Candidate[]): DocumentError[] {
  return found.flatMap((error) => {
    const candidate = candidates[error.document - offset];
    return candidate === undefined ? [] : [{ ...error, document: candidate.index }];
  });
}

/** What is wrong with issuers beyond their form. */
const issuerErrors = (candidates: Candidate[], publicUrl: string): DocumentError[] =>
  candidates.flatMap(({ index, document }) =>
    document.kind === 'JwtIssuer'
      ? [...ownIssuer(document.spec.iss, publicUrl), ...materialErrors(document)].map((error) =>
          errorOf(index, document, error),
        )
      : [],
  );

/** Nobody else may sign in our name, nor under a spelling of it that people would take for ours (CNF-19). */
function ownIssuer(iss: string, publicUrl: string): FieldError[] {
  if (plainForm(iss) !== plainForm(publicUrl)) return [];
  const message = 'this is our own issuer URL; our tokens are accepted where they may be without being registered';
  return [{ path: '/spec/iss', code: 'own_issuer', message }];
}

const plainForm = (url: string): string =>
  (URL.canParse(url) ? new URL(url).href : url).replace(/\/+$/, '').toLowerCase();

function issuerConflicts(candidates: Candidate[], kept: CountersignDocument[]): DocumentError[] {
  const holders = new Map(kept.flatMap(({ kind, name, spec }) => (kind === 'JwtIssuer' ? [[spec.iss, name]] : [])));
  return candidates.flatMap(({ index, document }) => {
    const holder = document.kind === 'JwtIssuer' ? holders.get(document.spec.iss) : undefined;
    if (holder === undefined) return [];
    const message = `the stored JwtIssuer "${holder}" has this iss`;
    return [errorOf(index, document, { path: '/spec/iss', code: 'duplicate_issuer', message })];
  });
}

/** Names are unique whatever the namespace: a document of another namespace must not be overwritten unnoticed. */
function namespaceConflicts(candidates: Candidate[], stored: StoredState['documents']): DocumentError[] {
  return candidates.flatMap(({ index, document }) => {
    const namespace = stored.get(keyOf(document))?.document?.namespace ?? null;
    if (namespace === null || document.namespace === null || namespace === document.namespace) return [];
    const message = `stored with the namespace "${namespace}"; names are unique over all namespaces`;
    return [errorOf(index, document, { path: '/metadata/namespace', code: 'namespace_conflict', message })];
  });
}

const place = ({ document, path }: DocumentError): string => `${document}${path}`;

function refuse(errors: DocumentError[], conflicts: DocumentError[]): void {
  const conflicting = new Set(conflicts.map(place));
  const others = errors.filter((error) => !conflicting.has(place(error)));
  const all = [...others, ...conflicts].sort((a, b) => a.document - b.document);
  if (all.length === 0) return;
  const code = others.length === 0 ? 'conflict' : 'invalid-document';
  throw new ProblemError(code, countErrors(all), { errors: all.slice(0, MAX_ERRORS) });
}

function refuseBroken(broken: StoredError[]): void {
  if (broken.length === 0) return;
  const places = broken.map(({ kind, name, path, message }) => `${kind}/${name} ${path}: ${message}`);
  throw new ProblemError('conflict', `Stored documents stand in the way: ${places.slice(0, 10).join('; ')}`);
}
