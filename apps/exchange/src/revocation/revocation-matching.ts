import type { TokenCheck } from '@countersign/contracts';

/** What a revocation is about: all that is given must match. */
export interface RevocationTerms {
  /** Name or `iss` of a JwtIssuer. */
  issuer: string | null;
  role: string | null;
  /** By claim name, or by JSON Pointer (RFC 6901) for a nested claim. */
  claims: Readonly<Record<string, string>>;
}

/** A revocation in force; times in epoch seconds. */
export interface Revocation extends RevocationTerms {
  /** Tokens issued in this second or before it are revoked. */
  createdAt: number;
  expiresAt: number;
}

/**
 * For how long after a revocation a token may still be narrowed by a replica that has not heard of it: what is narrowed
 * in that time dies with what it was narrowed from, whose `iat` is not known any more.
 */
export const NARROWING_GRACE_SECONDS = 5;

type Token = Pick<TokenCheck, 'issuer' | 'iss' | 'roles' | 'claims' | 'iat' | 'parents'>;

/** Whether a revocation kills a token: it matches, and the token was issued before it or in the same second. */
export function isRevokedBy(revocation: Revocation, token: Token): boolean {
  const { createdAt, issuer, role, claims } = revocation;
  const grace = token.parents.length > 0 ? NARROWING_GRACE_SECONDS : 0;
  if (token.iat > Math.floor(createdAt) + grace) return false;
  if (issuer !== null && issuer !== token.issuer && issuer !== token.iss) return false;
  if (role !== null && !token.roles.includes(role)) return false;
  return Object.entries(claims).every(([name, wanted]) => hasValue(claimOf(token.claims, name), wanted));
}

/**
 * Numbers and booleans match as they are written, a list by any of its items: who revokes means all that looks like it.
 */
function hasValue(value: unknown, wanted: string): boolean {
  if (Array.isArray(value)) return value.some((item: unknown) => hasValue(item, wanted));
  return ['string', 'number', 'boolean'].includes(typeof value) && String(value) === wanted;
}

/** A claim by name; by JSON Pointer when no claim has the name itself. */
function claimOf(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name) || !name.startsWith('/')) return own(claims, name);
  const segments = name.slice(1).split('/');
  return segments
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((value, segment) => own(value, segment), claims);
}

function own(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
