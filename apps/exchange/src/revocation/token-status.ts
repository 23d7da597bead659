import { checkToken, type TokenCheck, type TokenCheckAnswer } from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { ExpiringStore } from '@countersign/redis';
import { Injectable } from '@nestjs/common';
import { RevocationCopy } from './revocation-copy';

const REVOKED_PREFIX = 'cs:exchange:revoked:';
const USES_PREFIX = 'cs:exchange:uses:';

/** Seconds for which a token is still accepted past its `exp` somewhere, clocks being what they are. */
export const EXPIRY_LEEWAY_SECONDS = 60;

/**
 * The one place that knows whether an issued token still counts: what was revoked one by one stands in the store, for
 * all replicas at once, and in this replica's copy of what Postgres has; revocations by claim, issuer and role in the
 * copy. Everybody else asks over the bus.
 */
@Injectable()
export class TokenStatus {
  constructor(
    private readonly store: ExpiringStore,
    private readonly copy: RevocationCopy,
    bus: Bus,
  ) {
    bus.serve(checkToken, (token) => this.check(token));
  }

  /** Throws UnavailableError when it cannot be told: nobody may take that for a no. */
  async check(token: TokenCheck): Promise<TokenCheckAnswer> {
    if (this.copy.covers(token)) return { revoked: true, uses: null };
    const family = [token.jti, ...token.parents];
    const marks = await Promise.all(family.map((jti) => this.store.get(REVOKED_PREFIX + jti)));
    if (marks.some((mark) => mark !== null)) return { revoked: true, uses: null };
    return { revoked: false, uses: token.countUse ? await this.countUse(token, family) : null };
  }

  /** Says at once to every replica that this token is revoked; `exp` in epoch seconds. Throws UnavailableError. */
  async mark({ jti, exp }: Pick<TokenCheck, 'jti' | 'exp'>): Promise<void> {
    await this.store.set(REVOKED_PREFIX + jti, 'revoked', exp + EXPIRY_LEEWAY_SECONDS);
  }

  /**
   * A use of a narrowed token is one of each token that it was narrowed from, or narrowing would multiply the uses.
   * They all end at the same time.
   */
  private async countUse({ exp }: TokenCheck, family: string[]): Promise<number> {
    const end = exp + EXPIRY_LEEWAY_SECONDS;
    return Math.max(...(await Promise.all(family.map((jti) => this.store.increment(USES_PREFIX + jti, end)))));
  }
}
