import { createHash } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { decodeCompact } from './compact-form';
import { intakeKeys } from './intake-keys';
import { selectKey } from './key-selection';
import { hasValidSignature } from './signature';
import { isObject } from './strict-json';
import { Jwk } from './types';

/** What a DPoP proof is held against (RFC 9449 section 4.3). */
export interface DpopProofInput {
  proof: string;
  /** Of the request that carries the proof. */
  method: string;
  /** Of the request, from our own public URL; query and fragment do not count. */
  url: string;
  /** The access token that the proof comes with; null at the token endpoint. */
  accessToken: string | null;
  /** Epoch seconds. */
  now: number;
}

export interface DpopProof {
  /** RFC 7638 thumbprint of the client's key, SHA-256, base64url: `cnf.jkt` of what is issued. */
  jkt: string;
  nonce: string | null;
  /** Hex SHA-256 that stands for this proof; a second use before `replayExpiresAt` (epoch seconds) is a replay. */
  replayKey: string;
  replayExpiresAt: number;
}

export type DpopRefusal =
  'form' | 'typ' | 'alg' | 'jwk' | 'signature' | 'htm' | 'htu' | 'iat' | 'jti' | 'nonce' | 'ath';

export type DpopProofResult = { ok: true; proof: DpopProof } | { ok: false; reason: DpopRefusal };

const limits = { size: 8 * 1024, depth: 4, members: 50 };
/** Seconds before and after now that a proof may be dated. */
const window = 60;
/** `alg` of proofs that are accepted, as metadata shows them (RFC 9449 section 5.1). */
export const dpopAlgorithms: readonly string[] = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA', 'Ed25519'];
const identifier = /^[\x21-\x7e]{1,256}$/;

type Members = Record<string, unknown>;
type Check = readonly [DpopRefusal, (claims: Members, input: DpopProofInput) => boolean];

const checks: readonly Check[] = [
  ['htm', ({ htm }, { method }) => htm === method],
  ['htu', ({ htu }, { url }) => typeof htu === 'string' && withoutQuery(htu) === withoutQuery(url)],
  ['iat', ({ iat }, { now }) => typeof iat === 'number' && Math.abs(now - iat) <= window],
  ['jti', ({ jti }) => typeof jti === 'string' && identifier.test(jti)],
  ['nonce', ({ nonce }) => nonce === undefined || (typeof nonce === 'string' && identifier.test(nonce))],
  ['ath', ({ ath }, { accessToken }) => accessToken === null || ath === digest(accessToken, 'base64url')],
];

/** Verifies a DPoP proof but for its nonce and its replay, which need memory. */
export async function verifyDpopProof(input: DpopProofInput): Promise<DpopProofResult> {
  const compact = decodeCompact(input.proof, limits);
  if (!compact.ok || !compact.header.ok || !compact.payload.ok) return { ok: false, reason: 'form' };
  const { typ, alg, jwk } = compact.header.value;
  if (typ !== 'dpop+jwt') return { ok: false, reason: 'typ' };
  if (typeof alg !== 'string' || !dpopAlgorithms.includes(alg)) return { ok: false, reason: 'alg' };
  const key = publicKey(jwk, alg);
  if (key === null) return { ok: false, reason: 'jwk' };
  if (!hasValidSignature({ token: input.proof, alg }, key)) return { ok: false, reason: 'signature' };
  const claims = compact.payload.value;
  const broken = checks.find(([, holds]) => !holds(claims, input));
  if (broken !== undefined) return { ok: false, reason: broken[0] };
  return { ok: true, proof: await describe(claims, key, input.now) };
}

/** The key of the header, under the same rules as keys of issuers: no private part, no weak or small-order key. */
function publicKey(jwk: unknown, alg: string): Jwk | null {
  if (!isObject(jwk)) return null;
  const { kid: _kid, use: _use, key_ops: _operations, ...parameters } = jwk;
  const { keys } = intakeKeys({ keys: [parameters] });
  const selection = selectKey({ alg, kid: null }, { keys, allowMissingKid: true });
  return selection.ok ? selection.key : null;
}

async function describe({ jti, nonce }: Members, key: Jwk, now: number): Promise<DpopProof> {
  const jkt = await calculateJwkThumbprint(key, 'sha256');
  return {
    jkt,
    nonce: typeof nonce === 'string' ? nonce : null,
    replayKey: digest(`${jkt}:${String(jti)}`, 'hex'),
    replayExpiresAt: Math.ceil(now) + 2 * window,
  };
}

/** RFC 9449 section 4.3: compared without query and fragment, after the normalisation of RFC 3986. */
function withoutQuery(url: string): string | null {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  return parsed && `${parsed.origin}${parsed.pathname}`;
}

const digest = (text: string, encoding: 'hex' | 'base64url'): string =>
  createHash('sha256').update(text).digest(encoding);
