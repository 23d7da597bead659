import { revocationsChanged } from '@countersign/contracts';
import { AuditStream, Bus } from '@countersign/messaging';
import type { AccessTokenClaims } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { ExchangeConfig } from '../config';
import { ExchangeDatabase } from '../database';
import { tokenRevoked, type Holder } from './revocation-events';
import { addRevokedToken } from './revocation-rows';
import { EXPIRY_LEEWAY_SECONDS, TokenStatus } from './token-status';

/** Revokes one token, for good: in Postgres with its event, then in the store for every replica at once. */
@Injectable()
export class RevokeToken {
  constructor(
    private readonly config: ExchangeConfig,
    private readonly database: ExchangeDatabase,
    private readonly stream: AuditStream,
    private readonly status: TokenStatus,
    private readonly bus: Bus,
  ) {}

  /** Doing it again changes and records nothing. Throws UnavailableError, after which it may be revoked or not. */
  async revoke(claims: AccessTokenClaims, holder: Holder): Promise<void> {
    await this.database.transaction(async (manager) => {
      const isNew = await addRevokedToken(manager, claims.jti, claims.exp + EXPIRY_LEEWAY_SECONDS);
      if (isNew) await this.stream.append('audit', tokenRevoked(this.config.publicUrl, claims, holder));
    });
    this.bus.publish(revocationsChanged, {});
    await this.status.mark(claims);
  }

  /**
   * Of a token that was signed and must not have left: should it have, it is worth nothing. In our own time, and
   * without an event: the exchange records that it is void.
   */
  withdraw(claims: AccessTokenClaims): void {
    const { jti, exp } = claims;
    const added = this.database.transaction((manager) => addRevokedToken(manager, jti, exp + EXPIRY_LEEWAY_SECONDS));
    void Promise.allSettled([added, this.status.mark(claims)]).then(() => this.bus.publish(revocationsChanged, {}));
  }
}
