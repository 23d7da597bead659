import { createHmac, type KeyObject } from 'node:crypto';
import { derivePurposeKey, ed25519Key, Logger, reseal, seal, SealError, unseal } from '@countersign/platform';
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
  private readonly sealingKey: Buffer;
  private readonly previousKeys: Buffer[];
  private readonly signingSecret: Buffer;
  private readonly opened = new Kept<string>();
  private readonly signingKeys = new Kept<KeyObject>();

  constructor(
    private readonly database: AuditDatabase,
    private readonly logger: Logger,
    { encryptionKey, previousEncryptionKey }: AuditConfig,
  ) {
    this.sealingKey = derivePurposeKey(encryptionKey, 'webhook-secrets');
    this.signingSecret = derivePurposeKey(encryptionKey, 'webhook-signing');
    const previous = previousEncryptionKey === undefined ? [] : [previousEncryptionKey];
    this.previousKeys = previous.map((key) => derivePurposeKey(key, 'webhook-secrets'));
  }

  onApplicationBootstrap(): void {
    if (this.previousKeys.length > 0) void this.resealAll();
  }

  seal(secret: string): Buffer {
    return seal(Buffer.from(secret), this.sealingKey);
  }

  /** @throws SealError when neither encryption key opens it */
  open(sealed: Buffer): string {
    const open = (): string => unseal(sealed, this.sealingKey, ...this.previousKeys).toString();
    return this.opened.get(sealed.toString('base64'), open);
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
        for (const { id, current, before } of await manager.query<SealedRow[]>(SEALED))
          await manager.query(RESEAL, [id, this.reseal(current), before && this.reseal(before)]);
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
      return reseal(sealed, this.sealingKey, ...this.previousKeys);
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
