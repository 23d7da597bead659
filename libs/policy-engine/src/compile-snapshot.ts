import { compilePolicy, type CompiledPolicy } from './compile-policy';
import { compileRole, type CompiledRole, type CompiledRoleResult } from './compile-role';
import type { ConditionProblem } from './conditions';
import type { EngineError } from './decisions';
import type { CountersignDocument, JwtIssuerDocument, Platform, PolicyDocument, RoleDocument } from './documents';
import { indexRoles, type RoleIndex } from './role-index';
import { noPins, type RepositoryPins } from './shorthand/repository-pins';
import { atOnce, eachInSteps, type Steps } from './steps';

export interface CompiledIssuer {
  readonly name: string;
  readonly iss: string;
  readonly platform: Platform;
}

/** All documents of a revision, ready for decisions. Immutable. */
export interface Snapshot {
  readonly revision: number;
  readonly publicUrl: string;
  /** By name; disabled ones are left out. */
  readonly issuers: ReadonlyMap<string, CompiledIssuer>;
  readonly policies: ReadonlyMap<string, CompiledPolicy>;
  /** By name; disabled and broken ones are left out. */
  readonly roles: ReadonlyMap<string, CompiledRole>;
  /** By name: decide nothing, and are known only so that a refusal can be explained. */
  readonly disabledRoles: ReadonlyMap<string, CompiledRole>;
  readonly rolesByIssuer: RoleIndex;
  readonly rolesBySubjectType: RoleIndex;
  /** The only part that changes: repositories become known between decisions, whatever the revision. */
  readonly pins: RepositoryPins;
  /** Documents, or parts of them, that are left out. */
  readonly errors: readonly EngineError[];
  /** What each document became by itself, for the snapshot after this one. */
  readonly compiled: CompiledDocuments;
}

/** By name. */
interface CompiledDocuments {
  readonly policies: ReadonlyMap<string, Compiled<PolicyDocument, ReturnType<typeof compilePolicy>>>;
  readonly roles: ReadonlyMap<string, Compiled<RoleDocument, CompiledRoleResult>>;
}

interface Compiled<Document, Result> {
  readonly document: Document;
  readonly result: Result;
}

export interface SnapshotInput {
  documents: Iterable<CountersignDocument>;
  /** Our issuer URL, the default audience. */
  publicUrl: string;
  revision: number;
  /** What is known of repositories by their ids; looked at in each decision. */
  pins?: RepositoryPins;
  /** A snapshot of which much is the same: what is the same object among its documents is not compiled again. */
  before?: Snapshot | undefined;
}

/** Compiles stored documents once, for many decisions. A bad one is left out and reported; the rest works. */
export const compileSnapshot = (input: SnapshotInput): Snapshot => atOnce(compileInSteps(input));

/** The same, a millisecond at a time: many documents take seconds. */
export function* compileInSteps(input: SnapshotInput): Steps<Snapshot> {
  const { documents, publicUrl, revision, pins = noPins } = input;
  const before = input.before?.publicUrl === publicUrl && input.before.pins === pins ? input.before : undefined;
  const errors: EngineError[] = [];
  const { issuers, policies, roles } = yield* sortOut(documents, errors);
  const ofPolicies = yield* compilePolicies(policies, before, errors);
  const ofRoles = yield* compileRoles(roles, { publicUrl, policies: ofPolicies.byName, pins, before }, errors);
  return Object.freeze({
    revision,
    publicUrl,
    issuers: compileIssuers(issuers, errors),
    policies: ofPolicies.byName,
    roles: ofRoles.enabled,
    disabledRoles: ofRoles.disabled,
    rolesByIssuer: yield* indexRoles(ofRoles.enabled, 'jwt:iss', before?.rolesByIssuer),
    rolesBySubjectType: yield* indexRoles(ofRoles.enabled, 'subject:type', before?.rolesBySubjectType),
    pins,
    errors: Object.freeze(errors),
    compiled: { policies: ofPolicies.compiled, roles: ofRoles.compiled },
  });
}

const report = ({ kind, name }: CountersignDocument, problem: ConditionProblem): EngineError => ({
  kind,
  name,
  ...problem,
});

const unreadable = { path: '', code: 'invalid_document', message: 'cannot be read; left out' };

interface SortedOut {
  issuers: JwtIssuerDocument[];
  policies: PolicyDocument[];
  roles: RoleDocument[];
}

interface SortedOut {
  issuers: JwtIssuerDocument[];
  policies: PolicyDocument[];
  roles: RoleDocument[];
}

/** Stored text may be anything: a document that cannot even be addressed is reported and dropped. */
function* sortOut(documents: Iterable<CountersignDocument>, errors: EngineError[]): Steps<SortedOut> {
  const sorted: SortedOut = { issuers: [], policies: [], roles: [] };
  yield* eachInSteps(documents, (document: CountersignDocument | null) => {
    if (typeof document?.name !== 'string') errors.push({ kind: '', name: '', ...unreadable });
    else if (document.kind === 'JwtIssuer') sorted.issuers.push(document);
    else if (document.kind === 'Policy') sorted.policies.push(document);
    else if (document.kind === 'Role') sorted.roles.push(document);
  });
  return sorted;
}

const duplicate = { path: '', code: 'duplicate_document', message: 'left out' };

function compileIssuers(documents: readonly JwtIssuerDocument[], errors: EngineError[]) {
  const issuers = new Map<string, CompiledIssuer>();
  const names = new Set<string>();
  const known = new Set<string>();
  for (const document of documents) {
    const { name } = document;
    const problem = names.has(name) ? duplicate : issuerProblem(document, known);
    names.add(name);
    if (problem) errors.push(report(document, problem));
    else if (!document.spec.disabled) {
      const { iss, platform } = document.spec;
      known.add(iss);
      issuers.set(name, { name, iss, platform });
    }
  }
  return issuers;
}

function issuerProblem({ spec }: JwtIssuerDocument, known: ReadonlySet<string>): ConditionProblem | null {
  if (typeof (spec as Partial<typeof spec> | null)?.iss !== 'string') return unreadable;
  if (!known.has(spec.iss)) return null;
  return { path: '/spec/iss', code: 'duplicate_issuer', message: 'another JwtIssuer has this iss; left out' };
}

function* compilePolicies(documents: readonly PolicyDocument[], before: Snapshot | undefined, errors: EngineError[]) {
  const byName = new Map<string, CompiledPolicy>();
  const compiled: Writable<CompiledDocuments['policies']> = new Map();
  yield* eachInSteps(documents, (document) => {
    const { name } = document;
    if (compiled.has(name)) return void errors.push(report(document, duplicate));
    const known = before?.compiled.policies.get(name);
    const one = known?.document === document ? known : { document, result: compilePolicy(document) };
    compiled.set(name, one);
    byName.set(name, one.result.policy);
    errors.push(...one.result.problems.map((problem) => report(document, problem)));
  });
  return { byName, compiled };
}

type Writable<T> = T extends ReadonlyMap<infer K, infer V> ? Map<K, V> : never;

interface RoleSurroundings {
  publicUrl: string;
  policies: ReadonlyMap<string, CompiledPolicy>;
  pins: RepositoryPins;
  before: Snapshot | undefined;
}

function* compileRoles(documents: readonly RoleDocument[], surroundings: RoleSurroundings, errors: EngineError[]) {
  const enabled = new Map<string, CompiledRole>();
  const disabled = new Map<string, CompiledRole>();
  const compiled: Writable<CompiledDocuments['roles']> = new Map();
  const { before, policies } = surroundings;
  yield* eachInSteps(documents, (document) => {
    const { name } = document;
    if (compiled.has(name)) return void errors.push(report(document, duplicate));
    const known = before?.compiled.roles.get(name);
    const one = known?.document === document ? known : { document, result: tryCompileRole(document, surroundings) };
    compiled.set(name, one);
    const result = withPolicies(one, policies);
    if (!result.ok) errors.push(...result.problems.map((problem) => report(document, problem)));
    else (document.spec.disabled ? disabled : enabled).set(name, result.role);
  });
  return { enabled, disabled, compiled };
}

function tryCompileRole({ name, spec }: RoleDocument, { publicUrl, pins }: RoleSurroundings): CompiledRoleResult {
  try {
    return Array.isArray(spec.policy)
      ? compileRole(name, spec, publicUrl, pins)
      : { ok: false, problems: [unreadable] };
  } catch {
    // Only a document that does not have the shape of its type gets here: fields that are absent or of another type.
    return { ok: false, problems: [unreadable] };
  }
}

/** Policies come and go without the roles that name them. */
function withPolicies(
  { document, result }: Compiled<RoleDocument, CompiledRoleResult>,
  policies: ReadonlyMap<string, CompiledPolicy>,
): CompiledRoleResult {
  const names: unknown = (document.spec as Partial<RoleDocument['spec']> | null)?.policy;
  if (!Array.isArray(names) || names.every((name: string) => policies.has(name))) return result;
  const missing = names.flatMap((name: string, index) => (policies.has(name) ? [] : [missingPolicy(name, index)]));
  return { ok: false, problems: missing };
}

const missingPolicy = (name: string, index: number): ConditionProblem => ({
  path: `/spec/policy/${index}`,
  code: 'missing_policy',
  message: `there is no Policy named "${name}"; the role grants nothing`,
});
