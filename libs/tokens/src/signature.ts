import { compactVerify, CryptoKey, importJWK } from 'jose';
import { Jwk, ParsedToken } from './types';

/** Imported keys by key object: an import costs more than a verification, and keys are few and long-lived. */
const imported = new WeakMap<Jwk, Map<string, Promise<CryptoKey>>>();

/**
 * Whether the token's signature is that of the key under the token's own `alg`, which the key must already fit.
 * What jose cannot read is no valid signature either: hostile input is refused, not a fault.
 */
export async function hasValidSignature(
  { token, alg }: Pick<ParsedToken, 'token' | 'alg'>,
  key: Jwk,
): Promise<boolean> {
  if (!hasFullLength(token, key)) return false;
  try {
    await compactVerify(token, await importedKey(key, alg), { algorithms: [alg] });
    return true;
  } catch {
    return false;
  }
}

/**
 * RFC 8017 section 8.1.2, step 1: an RSA signature is as long as the modulus. OpenSSL also takes one whose leading
 * zero was dropped, which would give one token in 256 a twin. Some issuers write a zero before the modulus.
 */
function hasFullLength(token: string, { kty, n = '' }: Jwk): boolean {
  if (kty !== 'RSA') return true;
  const modulus = Buffer.from(n, 'base64url');
  const zeros = modulus.findIndex((byte) => byte !== 0);
  const signature = token.length - token.lastIndexOf('.') - 1;
  return Math.floor((signature * 3) / 4) === modulus.length - zeros;
}

/** The key as jose uses it, imported once per key object and algorithm. */
function importedKey(key: Jwk, alg: string): Promise<CryptoKey> {
  const byAlgorithm = imported.get(key) ?? new Map<string, Promise<CryptoKey>>();
  imported.set(key, byAlgorithm);
  const known = byAlgorithm.get(alg);
  if (known !== undefined) return known;
  // `use` and `key_ops` were judged before; leaving them out keeps import rules out of key rules.
  const { use: _use, key_ops: _operations, ...parameters } = key;
  const importing = importJWK({ ...parameters, alg }, alg) as Promise<CryptoKey>;
  byAlgorithm.set(alg, importing);
  return importing;
}
