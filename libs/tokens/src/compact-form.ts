import { JsonLimits, parseStrictJson, StrictJsonResult } from './strict-json';
import { TokenRefusalReason } from './refusal-reasons';
import { ParsedToken, ParseResult } from './types';

export interface TokenLimits extends JsonLimits {
  /** Characters of the compact form. */
  size: number;
}

/** RFC 7515 section 3.1. An empty payload is well-formed, though no JSON object. */
const compactForm = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+$/;

/** Visible ASCII, inner spaces allowed: anything else in a key id is an injection attempt. */
const keyId = /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/;

/** Headers that would choose the key, change what is signed, or nest another format (RFC 8725 section 3.10). */
const refusedHeaders: readonly (readonly [string, TokenRefusalReason])[] = [
  ['jwk', 'header_jwk'],
  ['jku', 'header_jku'],
  ['x5c', 'header_x5c'],
  ['x5u', 'header_x5u'],
  ['b64', 'header_b64'],
  ['crit', 'header_crit'],
  ['cty', 'header_cty'],
  ['zip', 'header_zip'],
];

/** Every asymmetric signature algorithm that a key can be bound to here; an issuer accepts a part of them. */
const knownAlgorithms: ReadonlySet<unknown> = new Set([
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]);

/**
 * Size, form, strict JSON and header rules of a compact JWS, in this order, before any key is looked at.
 * A refusal carries what could be read until then.
 */
export function parseCompactToken(token: string, limits: TokenLimits): ParseResult {
  const compact = decodeCompact(token, limits);
  return compact.ok ? readJson(token, compact.header, compact.payload) : compact;
}

type Compact = { ok: true; header: StrictJsonResult; payload: StrictJsonResult };

/** Size, form and strict JSON alone: for tokens whose header rules differ from those of access and subject tokens. */
export function decodeCompact(
  token: string,
  limits: TokenLimits,
): Compact | { ok: false; reason: 'token_size' | 'token_form' } {
  if (token.length > limits.size) return { ok: false, reason: 'token_size' };
  const parts = compactForm.test(token) ? token.split('.').map(decodeCanonical) : [];
  const [header, payload, signature] = parts;
  if (!header || !payload || !signature) return { ok: false, reason: 'token_form' };
  return { ok: true, header: parseStrictJson(header, limits), payload: parseStrictJson(payload, limits) };
}

function readJson(token: string, header: StrictJsonResult, claims: StrictJsonResult): ParseResult {
  const readable = { ...(header.ok && { header: header.value }), ...(claims.ok && { claims: claims.value }) };
  if (!header.ok) return { ok: false, reason: header.reason, ...readable };
  const headerReason = headerRefusal(header.value);
  if (headerReason !== null) return { ok: false, reason: headerReason, ...readable };
  if (!claims.ok) return { ok: false, reason: claims.reason, ...readable };
  const { iss } = claims.value;
  if (typeof iss !== 'string' || iss === '') return { ok: false, reason: 'issuer_unknown', ...readable };
  return { ok: true, parsed: toParsedToken(token, { iss, header: header.value, claims: claims.value }) };
}

function toParsedToken(token: string, read: Pick<ParsedToken, 'iss' | 'header' | 'claims'>): ParsedToken {
  const { iss, header, claims } = read;
  return {
    token,
    signingInput: token.slice(0, token.lastIndexOf('.')),
    alg: header['alg'] as string,
    kid: (header['kid'] as string | undefined) ?? null,
    typ: (header['typ'] as string | undefined) ?? null,
    iss,
    header,
    claims,
  };
}

/**
 * Null unless the text is the one spelling of its bytes. Spare bits in the last character would give one
 * token several spellings, and so several identities.
 */
function decodeCanonical(part: string): Buffer | null {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : null;
}

function headerRefusal(header: Record<string, unknown>): TokenRefusalReason | null {
  if (!knownAlgorithms.has(header['alg'])) return 'alg';
  const refused = refusedHeaders.find(([name]) => Object.hasOwn(header, name));
  if (refused !== undefined) return refused[1];
  if (Object.hasOwn(header, 'kid') && !isKeyId(header['kid'])) return 'kid';
  return Object.hasOwn(header, 'typ') && typeof header['typ'] !== 'string' ? 'typ' : null;
}

export function isKeyId(value: unknown): value is string {
  return typeof value === 'string' && keyId.test(value);
}
