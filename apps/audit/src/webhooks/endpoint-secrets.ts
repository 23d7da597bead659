import { createHmac, type KeyObject } from 'node:crypto';
import { derivePurposeKey, ed25519Key, Logger, PurposeSeal, SealError } from '@countersign/platform';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditConfig } from '../config';
import { AuditDatabase } from '../database';

/** More than most have endpoints. */
const MOST_KEPT = 1_000;

const SEALED = `
  SELECT id, sealed_secret AS current, previous_sealed_secret AS before
  FROM audit.webhook_endpoint ORDER BY id FOR NO KEY UPDATE`;
const RESEAL = `
  UPDATE audit.webhook_endpoint SET sealed_secret = coalesce($2, sealed_secret),
    previous_sealed_secret = coalesce($3, previous_sealed_secret)
  WHERE id = $1`;

interface SealedRow {
  id: string;
  current: Buffer;
  before: Buffer | null;
}

/**
 * What deliveries are signed with: secrets, which are stored sealed, and keys, which are not stored. To open or import
 * one takes longer than to sign with it, so both are kept.
 */
@Injectable()
export class EndpointSecrets implements OnApplicationBootstrap {
  private readonly seals: PurposeSeal;
  private readonly signingSecret: Buffer;
  private readonly opened = new Kept<string>();
  private readonly signingKeys = new Kept<KeyObject>();

  constructor(
    private readonly database: AuditDatabase,
    private readonly logger: Logger,
    private readonly config: AuditConfig,
  ) {
    this.seals = new PurposeSeal('webhook-secrets', config);
    this.signingSecret = derivePurposeKey(config.encryptionKey, 'webhook-signing');
  }

  onApplicationBootstrap(): void {
    if (this.config.previousEncryptionKey !== undefined) void this.resealAll();
  }

  seal(secret: string): Buffer {
    return this.seals.seal(Buffer.from(secret));
  }

  /** @throws SealError when neither encryption key opens it */
  open(sealed: Buffer): string {
    return this.opened.get(sealed.toString('base64'), () => this.seals.open(sealed).toString());
  }

  /** Ed25519, for `v1a` signatures; made from the encryption key for each endpoint, stored nowhere. */
  signingKey(id: string): KeyObject {
    return this.signingKeys.get(id, () => ed25519Key(createHmac('sha256', this.signingSecret).update(id).digest()));
  }

  /** The previous encryption key goes some day; what it sealed must not go with it. */
  private async resealAll(): Promise<void> {
    try {
      await this.database.whenReady();
      await this.database.transaction(async (manager) => {
        for (const { id, current, before } of await manager.query<SealedRow[]>(SEALED)) {
          const resealed = [this.reseal(current), before && this.reseal(before)];
          if (resealed.some((each) => each !== null)) await manager.query(RESEAL, [id, ...resealed]);
        }
      });
      this.logger.info('webhook secrets are sealed under the current encryption key');
    } catch (error) {
      this.logger.error('webhook secrets are not sealed anew: keep the previous encryption key, start again', {
        error,
      });
    }
  }

  /** Null for what stays as it is: sealed under the current key, or under one that nobody has any more. */
  private reseal(sealed: Buffer): Buffer | null {
    try {
      return this.seals.reseal(sealed);
    } catch (error) {
      if (error instanceof SealError) return null;
      throw error;
    }
  }
}

class Kept<Value> {
  private readonly values = new Map<string, Value>();

  get(name: string, make: () => Value): Value {
    const known = this.values.get(name);
    if (known !== undefined) return known;
    const value = make();
    if (this.values.size === MOST_KEPT) this.values.clear();
    this.values.set(name, value);
    return value;
  }
}
