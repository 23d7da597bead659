import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { loadClaims, type Claims } from './claims';

const FOLDER = resolve(__dirname, '../../policy-engine/testdata');

/** `now` of every case that does not say otherwise, in epoch seconds. */
export const CORPUS_NOW = 1_760_000_000;

type Json = Record<string, unknown>;

/** A case as it stands in a file (libs/policy-engine/testdata/README.md); what the file says holds for all its cases. */
interface WrittenCase {
  name: string;
  documents?: Json[];
  claims?: string | Json;
  set?: Json;
  unset?: string[];
  condition?: Record<string, Json>;
  statement?: Json[];
  exchange?: Json;
  permission?: Json;
  vouched?: Json;
  want: Json;
}
type WrittenFile = Omit<WrittenCase, 'name' | 'want'> & { cases: WrittenCase[] };

/** One decision and what it must be. */
export interface CorpusCase {
  file: string;
  name: string;
  /** As users write them, each kind and name once. */
  documents: Json[];
  claims: Claims;
  kind: 'exchange' | 'permission' | 'vouched';
  /** What the case says of the request; the rest has neutral defaults. */
  request: Json;
  want: Json;
}

/** Every case of the decision corpus. */
export const decisionCorpus = (): CorpusCase[] =>
  readdirSync(FOLDER)
    .filter((file) => file.endsWith('.yaml'))
    .flatMap(readFile);

function readFile(file: string): CorpusCase[] {
  const whole = parse(readFileSync(join(FOLDER, file), 'utf8'), { merge: true }) as WrittenFile;
  return whole.cases.map((written) => readCase(file, whole, written));
}

function readCase(file: string, { cases: _, documents = [], ...shared }: WrittenFile, own: WrittenCase): CorpusCase {
  const merged = { ...shared, ...own };
  const claims = claimsOf(merged);
  const all = [...documents, ...(own.documents ?? []), ...probes(merged, claims)];
  return {
    file,
    name: own.name,
    // A document of the case takes the place of the file's document of the same name.
    documents: [...new Map(all.map((document) => [idOf(document), document])).values()],
    claims,
    ...requestOf(shared, own),
    want: own.want,
  };
}

const idOf = ({ kind, metadata }: Json): string =>
  `${String(kind)}/${String((metadata as Json | undefined)?.['name'])}`;

function requestOf(shared: Partial<WrittenCase>, own: WrittenCase): Pick<CorpusCase, 'kind' | 'request'> {
  const vouched = own.vouched ?? shared.vouched;
  if (vouched) return { kind: 'vouched', request: vouched };
  if (own.statement || own.permission || shared.permission) {
    return { kind: 'permission', request: { ...shared.permission, ...own.permission } };
  }
  return { kind: 'exchange', request: own.exchange ?? shared.exchange ?? {} };
}

function claimsOf({ claims, set, unset }: WrittenCase): Claims {
  const base = typeof claims === 'string' ? loadClaims(claims) : claims;
  return Object.fromEntries(Object.entries({ ...base, ...set }).filter(([name]) => !unset?.includes(name)));
}

/** What the short forms `condition` and `statement` stand for. */
function probes({ condition, statement }: WrittenCase, claims: Claims): Json[] {
  const everything = { effect: 'Allow', action: '*', resource: '*' };
  const statements = (statement ?? [{}]).map((given) => ({ ...everything, ...given }));
  const policy = probe('Policy', { statement: statements });
  if (!condition) return statement ? [policy] : [];
  const pinned = { ...condition, StringEqual: { 'jwt:iss': claims['iss'], ...condition['StringEqual'] } };
  return [policy, probe('Role', { policy: 'probe', condition: pinned })];
}

const probe = (kind: string, spec: Json): Json => ({
  apiVersion: 'countersign.dev/v1',
  kind,
  metadata: { name: 'probe' },
  spec,
});
