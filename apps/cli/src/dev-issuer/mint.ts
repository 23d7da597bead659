import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { nowInSeconds } from '../decode-token';
import { defaultAudience, githubClaims } from './claims';
import type { DevIssuerKey } from './key-file';

/** Seconds; as GitHub's tokens. */
const LIFETIME = 300;

export interface MintRequest {
  iss: string;
  key: DevIssuerKey;
  audience: string | null;
  overrides: Record<string, unknown>;
}

/** Signs a job token: fresh times and a fresh `jti`, everything else from the claims. */
export async function mint({ iss, key, audience, overrides }: MintRequest): Promise<string> {
  const claims = githubClaims(overrides);
  const now = nowInSeconds();
  return new SignJWT({ ...claims, jti: randomUUID() })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: key.kid })
    .setIssuer(iss)
    .setAudience(audience ?? defaultAudience(claims))
    .setIssuedAt(now)
    .setNotBefore(now - 60)
    .setExpirationTime(now + LIFETIME)
    .sign(key.privateKey);
}
