/** The kinds of CI or identity provider behind an issuer; the value switches on that platform's guards. */
export const platforms = [
  'github',
  'gitlab',
  'circleci',
  'buildkite',
  'bitbucket',
  'azure-devops',
  'terraform-cloud',
  'kubernetes',
  'google',
  'entra',
  'okta',
  'keycloak',
  'generic',
] as const;
export type Platform = (typeof platforms)[number];

/** A trusted issuer, normalised: durations in seconds, every list a list, every default filled in. */
export interface JwtIssuerSpec {
  /** Compared byte for byte with the token's `iss`. */
  iss: string;
  aud: string[];
  /** Seconds. */
  tokenExpiry: number;
  issInternal: string | null;
  jwksUri: string | null;
  jwks: { keys: Record<string, unknown>[] } | null;
  /** PEM. */
  caCertificate: string | null;
  algorithms: string[];
  /** Seconds. */
  clockSkew: number;
  /** Seconds. */
  maxTokenAge: number;
  singleUse: boolean;
  typ: string[];
  allowMissingKid: boolean;
  strictAudience: boolean;
  carry: string[];
  platform: Platform;
  pins: string[];
  boundToSubjectExpiry: boolean;
  disabled: boolean;
}

/** Operator -> key -> values. Operators AND, keys AND, values OR. */
export type Condition = Record<string, Record<string, string[]>>;

/** A repository or project that a principal names: `github:acme@9/web@123@refs/heads/main@environment:prod`. */
export interface RepositoryPrincipal {
  platform: 'github' | 'gitlab';
  /** `acme/web`, `group/sub/project`. */
  path: string;
  /** Of the repository and its owner, both or neither; null means those of the first exchange. */
  repositoryId: string | null;
  ownerId: string | null;
  /** The full ref; null means any. */
  ref: string | null;
  /** null means any, and none. */
  environment: string | null;
}

export interface RoleSpec {
  policy: string[];
  /** Values of `jwt:sub`, any of them; null means any subject that satisfies the condition. */
  principal: string[] | null;
  /** Repositories of one platform, any of them; the other form of a principal. Left out: it names none. */
  repositories?: RepositoryPrincipal[];
  condition: Condition;
  /** Empty means only our public URL. */
  audience: string[];
  multipleAudiences: boolean;
  /** Seconds. */
  maxTokenExpiry: number | null;
  allowedEvents: string[];
  /** CIDR blocks; empty means any address. */
  trustedIps: string[];
  /** 0 means unlimited. */
  maxUses: number;
  shadow: boolean;
  disabled: boolean;
}

export interface Statement {
  sid: string | null;
  effect: 'Allow' | 'Deny';
  action: string[];
  resource: string[];
  condition: Condition | null;
}

export interface PolicySpec {
  statement: Statement[];
}

export interface JwtIssuerDocument {
  kind: 'JwtIssuer';
  name: string;
  spec: JwtIssuerSpec;
}
export interface RoleDocument {
  kind: 'Role';
  name: string;
  spec: RoleSpec;
}
export interface PolicyDocument {
  kind: 'Policy';
  name: string;
  /** The revision since which there is a Policy of this name; left out: since ever. */
  since?: number;
  spec: PolicySpec;
}
export type CountersignDocument = JwtIssuerDocument | RoleDocument | PolicyDocument;
export type DocumentKind = CountersignDocument['kind'];
