import { createHash } from 'node:crypto';
import { CheckedClaims, clockSkewLimit, maxTokenAgeLimit } from './claim-rules';

/** Seconds by which a record outlives the token, for clocks that differ between replicas and the store. */
const margin = 60;

/**
 * The identity of a subject token, hex SHA-256. The token's own text does not identify it: signatures have
 * several valid encodings. Every part is preceded by its length, so that no two lists of parts run together.
 */
export function replayKey({ iss, jti }: Pick<CheckedClaims, 'iss' | 'jti'>, signingInput: string): string {
  const parts = jti === null ? ['signing-input', iss, sha256(signingInput)] : ['jti', iss, jti];
  return sha256(parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join(''));
}

/**
 * Epoch second after which the token is refused by its times alone, on every replica, and whatever leeway and age
 * its JwtIssuer allows by then: with those of now, widening them would let used tokens in once more.
 */
export function replayExpiresAt({ iat, exp }: Pick<CheckedClaims, 'iat' | 'exp'>): number {
  return Math.ceil(Math.min(exp, iat + maxTokenAgeLimit)) + clockSkewLimit + margin;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
