import { KeyRejectionReason, TokenRefusalReason } from './refusal-reasons';

/** A public key as issuers publish it (RFC 7517). Members that verification does not need are left out. */
export interface Jwk {
  kty: string;
  kid?: string;
  alg?: string;
  use?: string;
  key_ops?: string[];
  crv?: string;
  n?: string;
  e?: string;
  x?: string;
  y?: string;
}

export interface RejectedKey {
  kid: string | null;
  reason: KeyRejectionReason;
}

/** The part of a JwtIssuer document that token rules need. Durations are whole seconds. */
export interface IssuerRules {
  /** Name of the JwtIssuer document. */
  name: string;
  /** Compared byte for byte with the token's `iss`. */
  iss: string;
  /** Accepted audiences; one of them is enough unless strictAudience. */
  aud: string[];
  algorithms: string[];
  clockSkew: number;
  maxTokenAge: number;
  singleUse: boolean;
  /** Accepted `typ` headers, without `application/`; a list with `JWT` also accepts a token without `typ`. */
  typ: string[];
  allowMissingKid: boolean;
  strictAudience: boolean;
  platform: string;
}

export interface ParsedToken {
  token: string;
  /** `BASE64URL(header).BASE64URL(payload)`, what the signature covers. */
  signingInput: string;
  alg: string;
  kid: string | null;
  typ: string | null;
  /** `iss` as the token claims it; nothing is verified yet. */
  iss: string;
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
}

export interface ParseRefusal {
  ok: false;
  reason: TokenRefusalReason;
  /** What could be read before the refusal: unverified, for the audit trail only. */
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
}

export type ParseResult = { ok: true; parsed: ParsedToken } | ParseRefusal;

/** What is known about a caller once its token has been verified. Times are epoch seconds. */
export interface VerifiedSubject {
  /** Name of the JwtIssuer document. */
  issuer: string;
  iss: string;
  sub: string;
  jti: string | null;
  /** Every claim of the token, without an `email` that its issuer does not vouch for. */
  claims: Record<string, unknown>;
  iat: number;
  exp: number;
  /** Hex SHA-256 that stands for this token: of (iss, jti), or without jti of (iss, signing input). */
  replayKey: string;
  /** Until when a use must be remembered. */
  replayExpiresAt: number;
}

export interface VerifySubjectTokenInput {
  parsed: ParsedToken;
  issuer: IssuerRules;
  /** Keys that intakeKeys let through. Keep the objects: imported keys are remembered per object. */
  keys: readonly Jwk[];
  /** What intakeKeys refused, so that a token of such a key is refused for the key's reason. */
  rejectedKeys?: readonly RejectedKey[];
  /** Epoch seconds. */
  now: number;
}

export type VerifySubjectTokenResult =
  { ok: true; subject: VerifiedSubject } | { ok: false; reason: TokenRefusalReason };

export type SigningAlgorithm = 'ES256' | 'RS256' | 'EdDSA';

export interface PrivateJwk extends Jwk {
  d: string;
  p?: string;
  q?: string;
  dp?: string;
  dq?: string;
  qi?: string;
}

export interface SigningKey {
  /** RFC 7638 thumbprint, SHA-256. */
  kid: string;
  alg: SigningAlgorithm;
  privateJwk: PrivateJwk;
}

export interface GeneratedSigningKey extends SigningKey {
  /** Ready for a JWKS: has kid, alg and `use: sig`. */
  publicJwk: Jwk;
}

/** Claims of an issued access token: RFC 9068, with `policy`, `policy_revision` and `fed` as private claims. */
export interface AccessTokenClaims {
  iss: string;
  sub: string;
  aud: string | string[];
  exp: number;
  iat: number;
  nbf: number;
  jti: string;
  client_id: string;
  scope?: string;
  roles: string[];
  policy: string[];
  /** The revision of the documents that granted them; absent from tokens of older versions. */
  policy_revision?: number;
  fed: { iss: string; sub: string; jti: string | null; claims: Record<string, unknown> };
  act?: Record<string, unknown>;
  cnf?: Record<string, unknown>;
  authorization_details?: unknown[];
  /** `jti` of the tokens of ours that this one was narrowed from, the first first: it dies with each of them. */
  parents?: string[];
}

export interface AccessTokenInput {
  /** Our public URL, which is our `iss`. */
  publicUrl: string;
  subject: VerifiedSubject;
  /** RFC 8693 delegation: who acts for the subject. */
  actor?: VerifiedSubject;
  decision: {
    roles: readonly string[];
    policies: readonly string[];
    /** Of the documents that this was decided by. */
    revision: number;
    /** Audiences granted, at least one. */
    audience: readonly string[];
    /** Seconds; null when no contributing role caps the lifetime. */
    maxTokenExpiry: number | null;
  };
  issuerRules: { tokenExpiry: number; boundToSubjectExpiry: boolean; carry: readonly string[] };
  /** Claims that the granted statements refer to: names, or JSON Pointers (`/kubernetes.io/namespace`). */
  referencedClaims: readonly string[];
  /** As granted; null leaves the claim out. */
  scope: string | null;
  /** RFC 9396 objects that narrow what the policies allow. */
  authorizationDetails?: readonly unknown[];
  /** RFC 9449 section 6: thumbprint of the key that the token is bound to. */
  jkt?: string;
  /** Seconds. */
  deploymentMaxLifetime: number;
  /** Epoch seconds. */
  now: number;
  jti: string;
}

export interface VerifyAccessTokenInput {
  token: string;
  keys: readonly Jwk[];
  publicUrl: string;
  /** The audience that must be among the token's; null accepts any. */
  audience: string | null;
  /** Epoch seconds. */
  now: number;
}

export type VerifyAccessTokenResult =
  { ok: true; claims: AccessTokenClaims } | { ok: false; reason: TokenRefusalReason };
