import { createHash, randomUUID } from 'node:crypto';
import { startLocalIssuer, type IssuerAlgorithm, type LocalIssuer, type SignOptions } from '@countersign/testing';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { createVerifier, type Verifier, type VerifierOptions } from './verifier';

export const AUDIENCE = 'https://api.example.com';
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url');

/** A key of a caller, and the proofs it signs. */
export interface ProofKey {
  publicJwk: JWK;
  privateKey: CryptoKey;
  thumbprint: string;
}

export async function newProofKey(alg = 'ES256'): Promise<ProofKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  return { publicJwk, privateKey, thumbprint: await calculateJwkThumbprint(publicJwk) };
}

/** Stands in for countersign: its metadata, its keys, tokens with the claims it writes, and a clock that stands still. */
export class Authority {
  now = 1_800_000_000;

  private constructor(readonly issuer: LocalIssuer) {}

  static async start(algorithms: IssuerAlgorithm[] = ['ES256']): Promise<Authority> {
    return new Authority(await startLocalIssuer({ algorithms }));
  }

  stop = (): Promise<void> => this.issuer.stop();

  verifier(options: Partial<VerifierOptions> = {}): Verifier {
    return createVerifier({ issuer: this.issuer.iss, audience: AUDIENCE, now: () => this.now, ...options });
  }

  token(changes: Record<string, unknown> = {}, options: SignOptions = {}): Promise<string> {
    const claims = {
      iss: this.issuer.iss,
      sub: 'github:repo:acme/web:ref:refs/heads/main',
      aud: AUDIENCE,
      iat: this.now,
      nbf: this.now,
      exp: this.now + 900,
      jti: randomUUID(),
      client_id: 'github',
      scope: 'role:deployers',
      roles: ['deployers'],
      policy: ['deploy'],
      fed: { iss: 'https://ci.example', sub: 'repo:acme/web', jti: 'x', claims: { repository: 'acme/web' } },
      ...changes,
    };
    return this.issuer.sign(claims, { ...options, header: { typ: 'at+jwt', ...options.header } });
  }

  /** A proof for `GET https://api.example.com/things` and the token. */
  async proof(
    key: ProofKey,
    token: string,
    { claims = {}, header = {} }: { claims?: object; header?: object } = {},
  ): Promise<string> {
    const own = { jti: randomUUID(), htm: 'GET', htu: `${AUDIENCE}/things`, iat: this.now, ath: sha256(token) };
    return new SignJWT({ ...own, ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: key.publicJwk, ...header })
      .sign(key.privateKey);
  }
}
