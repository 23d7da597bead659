import { PurposeSeal, SealError } from '@countersign/platform';
import type { PrivateJwk } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { ExchangeConfig } from '../config';

/** Seals private parts under the encryption key; opens them with it, or with the previous one while that is named. */
@Injectable()
export class PrivatePartSeal {
  private readonly seals: PurposeSeal;

  constructor(config: ExchangeConfig) {
    this.seals = new PurposeSeal('signing-keys', config);
  }

  seal(privateJwk: PrivateJwk): Buffer {
    return this.seals.seal(Buffer.from(JSON.stringify(privateJwk)));
  }

  /**
   * `resealed`: the same under the current encryption key, where another one opened it; else null.
   * @throws SealError when no key opens it, or when it is the private part of another signing key
   */
  open(kid: string, sealed: Buffer): { privateJwk: PrivateJwk; resealed: Buffer | null } {
    const privateJwk = JSON.parse(this.seals.open(sealed).toString()) as PrivateJwk;
    if (privateJwk.kid !== kid) throw new SealError('the private part belongs to another signing key');
    return { privateJwk, resealed: this.seals.reseal(sealed) };
  }
}
