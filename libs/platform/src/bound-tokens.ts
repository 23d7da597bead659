import { verifyDpopProof, type AccessTokenClaims } from '@countersign/tokens';
import type { FastifyRequest } from 'fastify';

const MAX_REMEMBERED = 100_000;

/**
 * Access tokens bound to a key (RFC 9449 §7): good only with a proof of that key for this very call, used once. Proofs
 * are remembered by this process alone; one that is replayed to another replica within its two minutes gets through,
 * which takes a thief of both token and proof, on this network, for the same call.
 */
export class BoundTokens {
  private readonly used = new Map<string, number>();

  /** Whether the token may be used as it was presented: bound with its proof, or a bearer token without one. */
  async mayUse(
    { claims, token }: { claims: AccessTokenClaims; token: string },
    request: FastifyRequest,
    publicUrl: string,
  ): Promise<boolean> {
    const boundTo = claims.cnf?.['jkt'] ?? null;
    const isProven = /^dpop /i.test(request.headers.authorization ?? '');
    if (boundTo === null || !isProven) return boundTo === null && !isProven;
    const { dpop } = request.headers;
    if (typeof dpop !== 'string') return false;
    const now = Math.floor(Date.now() / 1000);
    const url = publicUrl + request.url;
    const result = await verifyDpopProof({ proof: dpop, method: request.method, url, accessToken: token, now });
    if (!result.ok || result.proof.jkt !== boundTo) return false;
    return this.use(result.proof.replayKey, result.proof.replayExpiresAt, now);
  }

  private use(key: string, expiresAt: number, now: number): boolean {
    if (this.used.has(key)) return false;
    if (this.used.size >= MAX_REMEMBERED) this.forget(now);
    if (this.used.size >= MAX_REMEMBERED) return false;
    this.used.set(key, expiresAt);
    return true;
  }

  private forget(now: number): void {
    for (const [key, expiresAt] of this.used) if (expiresAt < now) this.used.delete(key);
  }
}
