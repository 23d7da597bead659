import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { derivePurposeKey } from '@countersign/platform';
import { ExpiringStore } from '@countersign/redis';
import { verifyDpopProof } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { ExchangeConfig } from '../config';
import { refuseProof, refuseRequest } from './refusal';

const KEY_PREFIX = 'cs:exchange:dpop:';
/** Seconds that a nonce is handed out; it is taken for twice as long. */
const NONCE_SECONDS = 300;

/** Proofs of possession at the token endpoint (RFC 9449): verified, fresh, and used once. */
@Injectable()
export class DpopProofs {
  private readonly nonceKey: Buffer;

  constructor(
    private readonly config: ExchangeConfig,
    private readonly store: ExpiringStore,
  ) {
    this.nonceKey = derivePurposeKey(config.encryptionKey, 'dpop-nonce');
  }

  /** The nonce of now: every replica makes the same one, and nobody has to remember it. */
  nonce(nowSeconds = Date.now() / 1000): string {
    return this.nonceOf(Math.floor(nowSeconds / NONCE_SECONDS));
  }

  /**
   * The thumbprint of the key that the `DPoP` header proves; null without the header. A nonce is not demanded, but one
   * that is there must be ours and recent. Throws Refusal or UnavailableError.
   */
  async thumbprint(header: string | string[] | undefined, path: string): Promise<string | null> {
    if (header === undefined) return null;
    if (Array.isArray(header) || header.includes(',')) throw refuseRequest('invalid_dpop_proof', 'one DPoP header');
    const now = Math.floor(Date.now() / 1000);
    const url = this.config.publicUrl + path;
    const result = await verifyDpopProof({ proof: header, method: 'POST', url, accessToken: null, now });
    if (!result.ok) throw refuseProof('invalid_dpop_proof', result.reason, this.nonce(now));
    const { jkt, nonce, replayKey, replayExpiresAt } = result.proof;
    if (nonce !== null && !this.isRecent(nonce, now))
      throw refuseProof('use_dpop_nonce', 'stale nonce', this.nonce(now));
    const { reserved } = await this.store.reserve(KEY_PREFIX + replayKey, randomUUID(), replayExpiresAt, KEY_PREFIX);
    if (!reserved) throw refuseProof('invalid_dpop_proof', 'replayed', this.nonce(now));
    return jkt;
  }

  private isRecent(nonce: string, now: number): boolean {
    const current = Math.floor(now / NONCE_SECONDS);
    return [current, current - 1].some((window) => equal(nonce, this.nonceOf(window)));
  }

  private nonceOf(window: number): string {
    return createHmac('sha256', this.nonceKey).update(String(window)).digest('base64url');
  }
}

function equal(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
