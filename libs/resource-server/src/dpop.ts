import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, compactVerify, EmbeddedJWK } from 'jose';
import { readCompactToken, type Claims } from './compact-token';
import { refuse, type Refused } from './reasons';
import { isObject, isText } from './values';

/** What a DPoP proof must be for (RFC 9449 §4.3). */
export interface ProvenRequest {
  /** Value of the `DPoP` header; undefined when there is none. */
  proof: string | undefined;
  method: string;
  /** As the caller addressed it. Take scheme and host from configuration: the Host header is the caller's to choose. */
  url: string;
}

/** Remembers proofs, so that each is used once. Shared by several processes it may be asynchronous. */
export interface ProofMemory {
  /** 'new' once for each id until `expiresAt` (epoch seconds); 'full' when it cannot remember one more. */
  use(id: string, expiresAt: number, now: number): ProofUse | Promise<ProofUse>;
}

export type ProofUse = 'new' | 'known' | 'full';

export interface DpopRules {
  algorithms: readonly string[];
  /** Seconds that a proof may be old. */
  maxAge: number;
  /** Seconds that clocks may differ. */
  leeway: number;
  memory: ProofMemory;
}

const MAX_LENGTH = 8 * 1024;
const MAX_JTI = 256;

/** Checks that the proof is of the key, for the token and for the request, fresh and new. */
export async function checkProof(
  request: ProvenRequest,
  { token, thumbprint, now }: { token: string; thumbprint: string; now: number },
  rules: DpopRules,
): Promise<{ ok: true } | Refused> {
  if (!isText(request.proof)) return refuse('proof_missing');
  const claims = await verifiedClaims(request.proof, thumbprint, rules.algorithms);
  if (claims === null || !isFor(claims, request, token) || !isFresh(claims, now, rules)) return refuse('proof_invalid');
  const id = sha256(JSON.stringify([thumbprint, claims['jti']]));
  const use = await rules.memory.use(id, Number(claims['iat']) + rules.maxAge + 2 * rules.leeway, now);
  if (use === 'new') return { ok: true };
  return refuse(use === 'known' ? 'proof_replayed' : 'proof_memory_full');
}

/** Claims of a proof that the key of this thumbprint signed; null when it did not. */
async function verifiedClaims(
  proof: string,
  thumbprint: string,
  algorithms: readonly string[],
): Promise<Claims | null> {
  const parts = proof.length <= MAX_LENGTH ? readCompactToken(proof) : null;
  if (parts === null) return null;
  const { typ, jwk } = parts.header;
  if (typ !== 'dpop+jwt' || !isObject(jwk)) return null;
  try {
    if ((await calculateJwkThumbprint(jwk)) !== thumbprint) return null;
    await compactVerify(proof, EmbeddedJWK, { algorithms: [...algorithms] });
    return parts.claims;
  } catch {
    return null;
  }
}

function isFor({ htm, htu, ath }: Claims, { method, url }: ProvenRequest, token: string): boolean {
  return htm === method && isText(htu) && isSameTarget(htu, url) && ath === sha256(token);
}

function isFresh({ iat, jti }: Claims, now: number, { maxAge, leeway }: DpopRules): boolean {
  const isRecent = typeof iat === 'number' && iat >= now - maxAge - leeway && iat <= now + leeway;
  return isRecent && isText(jti) && jti.length <= MAX_JTI;
}

/** RFC 9449 §4.3 (9): compared after normalisation, without query and fragment. */
function isSameTarget(one: string, other: string): boolean {
  const [left, right] = [targetOf(one), targetOf(other)];
  return left !== null && left === right;
}

function targetOf(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const { origin, pathname } = new URL(text);
  return origin === 'null' ? null : origin + pathname;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url');
