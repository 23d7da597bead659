import { compilePolicy, type CompiledPolicy } from './compile-policy';
import { compileRole, type CompiledRole } from './compile-role';
import type { ConditionProblem } from './conditions';
import type { EngineError } from './decisions';
import type { CountersignDocument, JwtIssuerDocument, Platform, RoleDocument } from './documents';
import { buildRoleIndex, type RoleIndex } from './role-index';
import { noPins, type RepositoryPins } from './shorthand/repository-pins';

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
}

export interface SnapshotInput {
  documents: readonly CountersignDocument[];
  /** Our issuer URL, the default audience. */
  publicUrl: string;
  revision: number;
  /** What is known of repositories by their ids; looked at in each decision. */
  pins?: RepositoryPins;
}

/** Compiles stored documents once, for many decisions. A bad one is left out and reported; the rest works. */
export function compileSnapshot({ documents, publicUrl, revision, pins = noPins }: SnapshotInput): Snapshot {
  const errors: EngineError[] = [];
  const unique = withoutRepeats(documents, errors);
  const policies = compilePolicies(unique, errors);
  const { roles, disabledRoles } = compileRoles(unique, { publicUrl, policies, pins }, errors);
  return Object.freeze({
    revision,
    publicUrl,
    issuers: compileIssuers(unique, errors),
    policies,
    roles: byName(roles),
    disabledRoles: byName(disabledRoles),
    rolesByIssuer: buildRoleIndex(roles, 'jwt:iss'),
    rolesBySubjectType: buildRoleIndex(roles, 'subject:type'),
    pins,
    errors: Object.freeze(errors),
  });
}

const byName = (roles: readonly CompiledRole[]): Map<string, CompiledRole> =>
  new Map(roles.map((role) => [role.name, role]));

const report = ({ kind, name }: CountersignDocument, problem: ConditionProblem): EngineError => ({
  kind,
  name,
  ...problem,
});

const unreadable = { path: '', code: 'invalid_document', message: 'cannot be read; left out' };

/** Stored text may be anything: a document that cannot even be addressed is reported and dropped. */
function withoutRepeats(documents: readonly CountersignDocument[], errors: EngineError[]): CountersignDocument[] {
  const seen = new Set<string>();
  return documents.filter((document: CountersignDocument | null) => {
    if (typeof document?.name !== 'string' || typeof document.kind !== 'string') {
      errors.push({ kind: '', name: '', ...unreadable });
      return false;
    }
    const id = `${document.kind}/${document.name}`;
    if (seen.has(id)) errors.push(report(document, { path: '', code: 'duplicate_document', message: 'left out' }));
    return !seen.has(id) && Boolean(seen.add(id));
  });
}

function compileIssuers(documents: readonly CountersignDocument[], errors: EngineError[]) {
  const issuers = new Map<string, CompiledIssuer>();
  const known = new Set<string>();
  for (const document of documents) {
    if (document.kind !== 'JwtIssuer') continue;
    const problem = issuerProblem(document, known);
    if (problem) errors.push(report(document, problem));
    else if (!document.spec.disabled) {
      known.add(document.spec.iss);
      issuers.set(document.name, { name: document.name, iss: document.spec.iss, platform: document.spec.platform });
    }
  }
  return issuers;
}

function issuerProblem({ spec }: JwtIssuerDocument, known: ReadonlySet<string>): ConditionProblem | null {
  if (typeof (spec as Partial<typeof spec> | null)?.iss !== 'string') return unreadable;
  if (!known.has(spec.iss)) return null;
  return { path: '/spec/iss', code: 'duplicate_issuer', message: 'another JwtIssuer has this iss; left out' };
}

function compilePolicies(documents: readonly CountersignDocument[], errors: EngineError[]) {
  const policies = new Map<string, CompiledPolicy>();
  for (const document of documents) {
    if (document.kind !== 'Policy') continue;
    const { policy, problems } = compilePolicy(document.name, document.spec);
    policies.set(document.name, policy);
    errors.push(...problems.map((problem) => report(document, problem)));
  }
  return policies;
}

interface RoleSurroundings {
  publicUrl: string;
  policies: ReadonlyMap<string, CompiledPolicy>;
  pins: RepositoryPins;
}

function compileRoles(
  documents: readonly CountersignDocument[],
  surroundings: RoleSurroundings,
  errors: EngineError[],
): { roles: CompiledRole[]; disabledRoles: CompiledRole[] } {
  const roles: CompiledRole[] = [];
  const disabledRoles: CompiledRole[] = [];
  for (const document of documents) {
    if (document.kind !== 'Role') continue;
    const result = tryCompileRole(document, surroundings);
    if (!result.ok) errors.push(...result.problems.map((problem) => report(document, problem)));
    else (document.spec.disabled ? disabledRoles : roles).push(result.role);
  }
  return { roles, disabledRoles };
}

function tryCompileRole(document: RoleDocument, { publicUrl, policies, pins }: RoleSurroundings) {
  try {
    const missing = document.spec.policy.flatMap((name, index) =>
      policies.has(name) ? [] : [missingPolicy(name, index)],
    );
    return missing.length > 0
      ? { ok: false as const, problems: missing }
      : compileRole(document.name, document.spec, publicUrl, pins);
  } catch {
    // Only a document that does not have the shape of its type gets here: fields that are absent or of another type.
    return { ok: false as const, problems: [unreadable] };
  }
}

const missingPolicy = (name: string, index: number): ConditionProblem => ({
  path: `/spec/policy/${index}`,
  code: 'missing_policy',
  message: `there is no Policy named "${name}"; the role grants nothing`,
});
