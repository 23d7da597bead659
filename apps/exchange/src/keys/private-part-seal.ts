import { derivePurposeKey, seal, SealError, unseal } from '@countersign/platform';
import type { PrivateJwk } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { ExchangeConfig } from '../config';

const PURPOSE = 'signing-keys';

/** Seals private parts under the encryption key; opens them with it, or with the previous one while that is named. */
@Injectable()
export class PrivatePartSeal {
  private readonly current: Buffer;
  private readonly previous: Buffer | null;

  constructor({ encryptionKey, previousEncryptionKey }: ExchangeConfig) {
    this.current = derivePurposeKey(encryptionKey, PURPOSE);
    this.previous = previousEncryptionKey === undefined ? null : derivePurposeKey(previousEncryptionKey, PURPOSE);
  }

  seal(privateJwk: PrivateJwk): Buffer {
    return seal(Buffer.from(JSON.stringify(privateJwk)), this.current);
  }

  /**
   * `resealed`: the same under the current encryption key, where another one opened it; else null.
   * @throws SealError when no key opens it, or when it is the private part of another signing key
   */
  open(kid: string, sealed: Buffer): { privateJwk: PrivateJwk; resealed: Buffer | null } {
    const current = this.tryCurrent(sealed);
    const plain = current ?? unseal(sealed, ...(this.previous === null ? [] : [this.previous]));
    const privateJwk = JSON.parse(plain.toString()) as PrivateJwk;
    if (privateJwk.kid !== kid) throw new SealError('the private part belongs to another signing key');
    return { privateJwk, resealed: current === null ? this.seal(privateJwk) : null };
  }

  private tryCurrent(sealed: Buffer): Buffer | null {
    try {
      return unseal(sealed, this.current);
    } catch (error) {
      if (error instanceof SealError) return null;
      throw error;
    }
  }
}
