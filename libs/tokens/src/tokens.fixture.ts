import { createHmac, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import {
  intakeKeys,
  IssuerRules,
  Jwk,
  parseSubjectToken,
  RejectedKey,
  TokenRefusalReason,
  VerifiedSubject,
} from './index';
import { verifySubjectToken } from './index';

/** 2026-11-20T10:00:00Z. */
export const now = 1_795_168_800;
export const audience = 'https://sts.countersign.test';
export const issuerUrl = 'https://issuer-a.test';

export interface KeyPair {
  publicJwk: Jwk;
  privateJwk: Record<string, unknown>;
}

export async function newKey(kid: string, alg: string, options: { modulusLength?: number } = {}): Promise<KeyPair> {
  const pair = await generateKeyPair(alg, { extractable: true, ...options });
  const publicJwk = { ...((await exportJWK(pair.publicKey)) as Jwk), kid, alg };
  return { publicJwk, privateJwk: { ...(await exportJWK(pair.privateKey)) } };
}

const hashOf: Record<string, string | null> = { '256': 'sha256', '384': 'sha384', '512': 'sha512' };

/** The signature bytes over exactly this text, whatever the header says: hostile tokens need that freedom. */
export function signBytes(text: string, alg: string, { privateJwk }: KeyPair): Buffer {
  const key = createPrivateKey({ key: privateJwk, format: 'jwk' });
  const hash = hashOf[alg.slice(2)] ?? null;
  const pss = alg.startsWith('PS') ? { padding: 6, saltLength: -1 } : {};
  return sign(hash, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363', ...pss });
}

export function encode(part: string | Uint8Array | object): string {
  const isRaw = typeof part === 'string' || part instanceof Uint8Array;
  return Buffer.from(isRaw ? part : JSON.stringify(part)).toString('base64url');
}

/** A token with this header and payload (objects, JSON text or bytes), signed with the key. */
export function mint(
  header: string | object,
  payload: string | Uint8Array | object,
  key: KeyPair,
  alg = String(key.publicJwk.alg),
): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signBytes(input, alg, key).toString('base64url')}`;
}

export function hmacToken(header: object, payload: object, secret: string | Buffer): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

export function spkiPem({ publicJwk }: KeyPair): string {
  return createPublicKey({ key: { ...publicJwk }, format: 'jwk' })
    .export({ type: 'spki', format: 'pem' })
    .toString();
}

export function claims(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    iss: issuerUrl,
    sub: 'repo:acme/web:ref:refs/heads/main',
    aud: audience,
    iat: now - 10,
    nbf: now - 10,
    exp: now + 290,
    jti: 'b1946ac9-2492-4d23-a0f6-6c1c4f1b0d7e',
    repository: 'acme/web',
    ...changes,
  };
}

export function without(name: string): Record<string, unknown> {
  const { [name]: _left, ...others } = claims();
  return others;
}

export function issuer(changes: Partial<IssuerRules> = {}): IssuerRules {
  return {
    name: 'issuer-a',
    iss: issuerUrl,
    aud: [audience],
    algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
    clockSkew: 60,
    maxTokenAge: 86_400,
    singleUse: true,
    typ: ['JWT'],
    allowMissingKid: false,
    strictAudience: false,
    platform: 'generic',
    ...changes,
  };
}

export interface Situation {
  jwks: unknown;
  rules?: IssuerRules;
  at?: number;
}

/** The whole way of a token as the exchange walks it: intake of the published keys, parse, verify. */
export async function outcome(token: string, situation: Situation): Promise<'accepted' | TokenRefusalReason> {
  const result = await walk(token, situation);
  return result.ok ? 'accepted' : result.reason;
}

export async function acceptedSubject(token: string, situation: Situation): Promise<VerifiedSubject> {
  const result = await walk(token, situation);
  if (!result.ok) throw new Error(`refused: ${result.reason}`);
  return result.subject;
}

async function walk(token: string, { jwks, rules = issuer(), at = now }: Situation) {
  const { keys, rejected }: { keys: Jwk[]; rejected: RejectedKey[] } = intakeKeys(jwks);
  const result = parseSubjectToken(token);
  if (!result.ok) return result;
  return verifySubjectToken({ parsed: result.parsed, issuer: rules, keys, rejectedKeys: rejected, now: at });
}
