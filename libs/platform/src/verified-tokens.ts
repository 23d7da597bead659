import { hash } from 'node:crypto';
import { verifyAccessToken, type AccessTokenClaims, type Jwk } from '@countersign/tokens';

/** Callers are few; one that was forgotten is verified once more. */
const MAX_REMEMBERED = 1_000;

/**
 * Verifies access tokens of ours, and remembers which ones the keys of now have verified, by their SHA-256 and until
 * their `exp`: a caller shows one token with all its calls. Nothing else is remembered. Whether a token is bound to a
 * key, revoked, or allowed to do what it is shown for is for the caller of each time.
 */
export class VerifiedTokens {
  private readonly remembered = new Map<string, AccessTokenClaims>();
  private keys: readonly Jwk[] | undefined;

  /** `audience`: whom they must be meant for; null for anybody. */
  constructor(
    private readonly publicUrl: string,
    private readonly audience: string | null,
  ) {}

  /** Null for what is not, or no longer, a token of ours under these keys. `now` in epoch seconds. */
  verify(token: string, keys: Jwk[], now: number): AccessTokenClaims | null {
    this.forgetUnder(keys);
    const digest = hash('sha256', token, 'base64');
    const known = this.remembered.get(digest);
    if (known !== undefined && known.exp > now) return known;
    const { publicUrl, audience } = this;
    const verified = verifyAccessToken({ token, keys, publicUrl, audience, now });
    if (!verified.ok) return null;
    this.remember(digest, verified.claims);
    return verified.claims;
  }

  /** Another set of keys may lack the one that verified. Each set is an object of its own. */
  private forgetUnder(keys: readonly Jwk[]): void {
    if (keys === this.keys) return;
    this.keys = keys;
    this.remembered.clear();
  }

  private remember(digest: string, claims: AccessTokenClaims): void {
    const [oldest] = this.remembered.keys();
    if (this.remembered.size >= MAX_REMEMBERED && oldest !== undefined) this.remembered.delete(oldest);
    this.remembered.set(digest, claims);
  }
}
