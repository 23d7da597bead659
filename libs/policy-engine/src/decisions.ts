import type { Permission } from './permits';
import type { RepositoryPin } from './shorthand/repository-pins';

/** Something wrong with a stored document, or met while deciding. Never a reason to stop: it is data. */
export interface EngineError {
  kind: string;
  name: string;
  /** JSON Pointer into the document; '' for the whole of it. */
  path: string;
  code: string;
  message: string;
}

export type Claims = Readonly<Record<string, unknown>>;

export interface ExchangeRequest {
  /** Name of the JwtIssuer whose key verified the subject token. */
  issuer: string;
  /** Claims of the verified subject token. */
  claims: Claims;
  /** Requested audiences and resources; empty means the default one. */
  audiences: readonly string[];
  /** Role names of `role:` scopes; null means no narrowing. */
  roles: readonly string[] | null;
  /** Policy names of `policy:` scopes; null means no narrowing. */
  policies: readonly string[] | null;
  /** What the token is to be limited to; all of it must be granted. null or absent means no limit. */
  permissions?: readonly Permission[] | null | undefined;
  sourceIp: string | null;
  /** Epoch seconds. */
  now: number;
}

export const exchangeReasons = [
  'no_matching_role',
  'repository_recreated',
  'event_not_allowed',
  'address_not_allowed',
  'target_not_allowed',
  'groups_overage',
  'scope_not_allowed',
  'details_not_allowed',
] as const;
export type ExchangeReason = (typeof exchangeReasons)[number];

export interface StatementReference {
  policy: string;
  sid: string | null;
}

export interface Obligations {
  /** The audience of the access token: the requested ones, or the default. Empty when denied. */
  audience: string[];
  /** Seconds: the least of the contributing roles; null when none of them caps the lifetime. */
  maxTokenExpiry: number | null;
  /** Top-level names of the claims that statements of the granted policies read; they go into `fed.claims`. */
  claims: string[];
  multipleAudiences: boolean;
}

export interface ExchangeDecision {
  effect: 'Allow' | 'Deny';
  /** null when allowed. */
  reason: ExchangeReason | null;
  /** For the trail and for operators, never for the caller. */
  detail: string | null;
  /** Roles that contribute, sorted. */
  roles: string[];
  /** Shadow roles that would have contributed, sorted. */
  shadowRoles: string[];
  /** Policies of the contributing roles, sorted. */
  policies: string[];
  statements: StatementReference[];
  obligations: Obligations;
  revision: number;
  /** How many roles the index offered for this request. */
  rolesExamined: number;
  errors: EngineError[];
  /** A repository met for the first time under a role that does not give its ids: to be pinned before the grant. */
  sighting: RepositoryPin | null;
}

export interface Subject {
  type: string;
  id: string;
  properties: Readonly<Record<string, unknown>>;
}

export interface PermissionRequest {
  policies: readonly string[];
  /** The revision that a token was granted its policies under: one that is newer took the name of another. */
  grantedAt?: number | undefined;
  /** Roles of the token; with `sourceIp`, a role's trustedIps then limit what its policies allow. */
  roles?: readonly string[];
  /** Uses of the token with this one; a role's maxUses then limit what its policies allow. Left out: not limited. */
  uses?: number;
  /** What `jwt:` keys read. */
  claims: Claims;
  /** What `ctx:audience` reads. */
  audiences?: readonly string[];
  subject: Subject;
  action: { name: string; properties: Readonly<Record<string, unknown>> };
  /** `type:id`. */
  resource: string;
  resourceProperties: Readonly<Record<string, unknown>>;
  context: Readonly<Record<string, unknown>>;
  sourceIp: string | null;
  /** Epoch seconds. */
  now: number;
  /** What a token is limited to beside its policies (RFC 9396); null or absent means no limit. */
  limitedTo?: readonly Permission[] | null | undefined;
}

export interface DeterminingStatement extends StatementReference {
  effect: 'Allow' | 'Deny';
}

export interface PermissionDecision {
  effect: 'Allow' | 'Deny';
  /** The Deny statements that applied, else the Allow statements; empty when nothing applied. */
  determining: DeterminingStatement[];
  revision: number;
  errors: EngineError[];
}

export interface VouchedSubjectRequest {
  subject: Subject;
  context: Readonly<Record<string, unknown>>;
  sourceIp: string | null;
  /** Epoch seconds. */
  now: number;
}

export interface VouchedSubjectDecision {
  roles: string[];
  shadowRoles: string[];
  policies: string[];
  revision: number;
  rolesExamined: number;
  errors: EngineError[];
}
