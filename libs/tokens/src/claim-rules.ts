import { TokenRefusalReason } from './refusal-reasons';
import { isObject } from './strict-json';
import { IssuerRules } from './types';

/** Claims whose types and values have been checked. */
export interface CheckedClaims {
  iss: string;
  sub: string;
  jti: string | null;
  iat: number;
  exp: number;
}

interface Rule {
  reason: TokenRefusalReason;
  holds: (claims: Record<string, unknown>, issuer: IssuerRules, now: number) => boolean;
}

/** The most that an issuer's maxTokenAge may be: seconds in 24 h. Replay records live by it. */
export const maxTokenAgeLimit = 86_400;
/** The most that an issuer's clockSkew may be, in seconds. Replay records live by it too. */
export const clockSkewLimit = 300;
/** 9999-12-31T23:59:59Z. Beyond it a time is no date: milliseconds taken for seconds, or an overflow. */
const lastSecond = 253_402_300_799;
const maxSubLength = 1024;
const maxJtiLength = 512;
/** Local part and domain, neither of them empty: several `@` are cut differently by different readers. */
const emailAddress = /^[^@\p{Cc}\p{Cf}\p{Z}\p{Cs}]+@[^@\p{Cc}\p{Cf}\p{Z}\p{Cs}]+$/u;
/** Control, format and line-separating characters make an identity look like another one. */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const invisibleOrSpace = /[\p{Cc}\p{Cf}\p{Z}\p{Cs}]/u;

const guid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const tenantInPath = new RegExp(`/(${guid})(?:/|$)`);
/** Keycloak's own `typ` claim tells tokens for callers from those it only takes back itself. */
const keycloakTypes: ReadonlySet<unknown> = new Set([undefined, 'ID', 'Bearer']);

/** In the order in which they are asked; the first that does not hold is the reason. */
const rules: readonly Rule[] = [
  { reason: 'sub', holds: ({ sub }) => isText(sub, maxSubLength) && !invisible.test(sub) && sub.trim() !== '' },
  {
    reason: 'jti',
    holds: ({ jti }) => jti === undefined || (isText(jti, maxJtiLength) && !invisibleOrSpace.test(jti)),
  },
  { reason: 'exp', holds: ({ exp }) => isNumericDate(exp) },
  { reason: 'iat', holds: ({ iat }) => isNumericDate(iat) },
  { reason: 'nbf', holds: ({ nbf }) => nbf === undefined || isNumericDate(nbf) },
  {
    reason: 'json',
    holds: (claims) => Object.values(claims).every((value) => typeof value !== 'number' || Number.isFinite(value)),
  },
  { reason: 'lifetime', holds: ({ exp, iat, nbf }) => Number(exp) > Math.max(Number(iat), Number(nbf ?? iat)) },
  { reason: 'expired', holds: ({ exp }, { clockSkew }, now) => Number(exp) + clockSkew > now },
  { reason: 'iat_future', holds: ({ iat }, { clockSkew }, now) => Number(iat) - clockSkew <= now },
  { reason: 'iat_old', holds: ({ iat }, issuer, now) => Number(iat) + maxAgeOf(issuer) + issuer.clockSkew >= now },
  { reason: 'nbf', holds: ({ nbf }, { clockSkew }, now) => Number(nbf ?? 0) - clockSkew <= now },
  { reason: 'logout_token', holds: ({ events }) => !isObject(events) || !Object.keys(events).some(isUri) },
  // RFC 9449 section 7.2: a token that is bound to a key must not pass as a bearer token.
  { reason: 'cnf', holds: (claims) => !Object.hasOwn(claims, 'cnf') },
  { reason: 'tid', holds: ({ tid }, { platform, iss }) => platform !== 'entra' || isTenantOf(tid, iss) },
  { reason: 'typ', holds: ({ typ }, { platform }) => platform !== 'keycloak' || keycloakTypes.has(typ) },
  { reason: 'aud', holds: ({ aud }, issuer) => isAccepted(audiencesOf(aud), issuer) },
];

/** The first rule of types, times, platform and audience that the claims break, or null. */
export function claimRefusal(
  claims: Record<string, unknown>,
  issuer: IssuerRules,
  now: number,
): TokenRefusalReason | null {
  return rules.find(({ holds }) => !holds(claims, issuer, now))?.reason ?? null;
}

/**
 * RFC 7515 section 4.1.9: a media type, case-insensitive, `application/` may be left out. A token without
 * `typ` is taken for a `JWT`.
 */
export function isAcceptedType(typ: string | null, accepted: readonly string[]): boolean {
  return accepted.map(typeName).includes(typeName(typ ?? 'JWT'));
}

const typeName = (typ: string): string => typ.toLowerCase().replace(/^application\//, '');

/** Without an `email` that the issuer does not vouch for, or that two readers could cut differently. */
export function trustworthyClaims(claims: Record<string, unknown>): Record<string, unknown> {
  const { email, ...others } = claims;
  const isVerified = claims['email_verified'] === true && typeof email === 'string' && emailAddress.test(email);
  return isVerified ? claims : others;
}

/** A NumericDate (RFC 7519 section 2) that is a date. */
export function isNumericDate(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= lastSecond;
}

/** RFC 7519 section 4.1.3: one string or several; empty when it is neither. */
export function audiencesOf(aud: unknown): string[] {
  const audiences: unknown[] = Array.isArray(aud) ? aud : [aud];
  return audiences.every((one): one is string => typeof one === 'string' && one !== '') ? audiences : [];
}

function isAccepted(audiences: readonly string[], { aud, strictAudience }: IssuerRules): boolean {
  const accepted = audiences.filter((one) => aud.includes(one));
  return accepted.length > 0 && (!strictAudience || accepted.length === audiences.length);
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxLength;
}

function maxAgeOf({ maxTokenAge }: IssuerRules): number {
  return Math.min(maxTokenAge, maxTokenAgeLimit);
}

/** RFC 8417 section 2.2: security events, logout among them, are named by URIs; no other token has such a claim. */
function isUri(name: string): boolean {
  return /^[a-z][a-z0-9+.-]*:/i.test(name);
}

/** Each Entra tenant is an issuer of its own; the multi-tenant forms (`common`, `{tenantid}`) name none. */
function isTenantOf(tid: unknown, iss: string): boolean {
  const tenant = tenantInPath.exec(iss)?.[1];
  return tenant !== undefined && tid === tenant;
}
