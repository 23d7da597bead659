import type { DocumentKind, LintFinding } from '@countersign/policy-engine';
import type { AccessTokenClaims } from '@countersign/tokens';

/** A page of a list; `nextCursor` is opaque and null on the last page. */
export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** Something lint or a check has to say about a document. */
export interface Finding extends Omit<LintFinding, 'fix'> {
  fix: string | null;
  /** An error that the request or the document itself allows (see docs/lint.md). */
  allowed?: true;
}

/** Answer of `POST /v1/apply`. */
export interface ApplyAnswer {
  revision: number;
  dryRun: boolean;
  results: {
    kind: DocumentKind;
    name: string;
    action: 'created' | 'updated' | 'unchanged' | 'deleted';
    etag: string;
  }[];
  findings: Finding[];
  /** PolicyTests among the documents, which are never stored; left out where there are none. */
  tests?: { name: string; action: 'passed' | 'not_run'; cases: number }[];
}

/** Answer of `POST /v1/lint`. */
export interface LintAnswer {
  findings: Finding[];
}

/** One item of `GET /v1/revisions`. */
export interface RevisionAnswer {
  revision: number;
  createdAt: string;
  author: string;
  source: 'api' | 'directory';
  restoredFrom: number | null;
  summary: { created: number; updated: number; deleted: number };
}

/** Answer of `GET /v1/issuers/{name}/status`. */
export interface IssuerStatus {
  name: string;
  iss: string;
  state: 'healthy' | 'stale' | 'unreachable' | 'invalid' | 'disabled' | 'pending';
  source: 'discovery' | 'jwksUri' | 'static';
  jwksUri: string | null;
  keys: { kid: string | null; kty: string; alg: string | null }[];
  rejectedKeys: { kid: string | null; reason: string }[];
  lastSuccessAt: string | null;
  lastAttemptAt: string | null;
  lastError: string | null;
  nextRefreshAt: string | null;
  staleUntil: string | null;
}

/** Answer of `POST /v1/webhooks` (`secret` only there) and item of `GET /v1/webhooks`. */
export interface WebhookAnswer {
  id: string;
  url: string;
  types: string[];
  issuers: string[];
  roles: string[];
  outcomes: string[];
  /** `openfaas`: body and headers as OpenFaaS has them for its own events. */
  format: 'cloudevents' | 'openfaas';
  /** Deliveries that are made in a second at most. */
  maxPerSecond: number;
  /** The receiver is asked before the webhook is enabled (CloudEvents HTTP Webhook, section 4). */
  handshake: boolean;
  disabled: boolean;
  disabledReason: string | null;
  createdAt: string;
  /** Verifies `v1a` signatures (Standard Webhooks): `whpk_` and an Ed25519 key in base64. */
  publicKey: string;
  secret?: string;
}

/** Answer of `POST /v1/webhooks/{id}/rotate-secret`: until then deliveries are signed with both. */
export interface RotatedSecretAnswer {
  secret: string;
  previousSecretExpiresAt: string;
}

/** One item of `GET /v1/webhooks/{id}/deliveries`. */
export interface DeliveryAnswer {
  id: string;
  webhookId: string;
  eventId: string;
  eventType: string;
  /** Place among the deliveries of the endpoint, from 1; null for one from before they were counted. */
  endpointSequence: string | null;
  status: 'pending' | 'retrying' | 'delivered' | 'dead';
  attempts: { at: string; responseStatus: number | null; error: string | null; durationMs: number }[];
  nextAttemptAt: string | null;
  createdAt: string;
}

/** Answer of `POST /v1/revocations` and item of `GET /v1/revocations`: all that is given must match a token. */
export interface RevocationAnswer {
  id: string;
  /** Name or `iss` of a JwtIssuer. */
  issuer: string | null;
  role: string | null;
  claims: Record<string, string>;
  reason: string;
  /** Who revoked: `bootstrap`, or the `sub` of an access token. */
  author: string;
  /** Tokens whose `iat` is in this second or before it are revoked. */
  createdAt: string;
  /** When the last token that it can concern is past its end. */
  expiresAt: string;
}

/** Answer of `POST /oauth2/introspect` (RFC 7662 §2.2); of anything not active only `active`. */
export type IntrospectionAnswer =
  { active: false } | ({ active: true; token_type: 'Bearer' | 'DPoP' } & Omit<AccessTokenClaims, 'fed' | 'parents'>);

/** One item of `GET /v1/signing-keys`. */
export interface SigningKeyAnswer {
  kid: string;
  alg: string;
  state: 'next' | 'active' | 'retired';
  createdAt: string;
  activatedAt: string | null;
  retiredAt: string | null;
  /** When `/oauth2/jwks` drops it, or has dropped it; null while it is next or active. */
  publishedUntil: string | null;
}

/** Answer of `POST /v1/signing-keys/rotate`: the key that signs after it. */
export interface SigningKeyRotationAnswer {
  kid: string;
  alg: string;
  /** `next` while it waits until every verifier can know it. */
  state: SigningKeyAnswer['state'];
  /** In the past when it is active already. */
  takesOverAt: string;
}
