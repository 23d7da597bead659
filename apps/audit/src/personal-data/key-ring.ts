import { createHmac, randomBytes } from 'node:crypto';
import { derivePurposeKey, seal, unseal } from '@countersign/platform';
import type { DataSubject } from './personal-members';

const KEY_BYTES = 32;

/**
 * The secrets that ids of subjects are made with and keys of subjects are sealed with. They are stored, sealed, so
 * that they stay the same when the encryption key is replaced. The first one is used for what is new.
 */
export class KeyRing {
  private readonly idKeys: Buffer[];
  private readonly sealingKeys: Buffer[];

  constructor(secrets: readonly Buffer[]) {
    this.idKeys = secrets.map((secret) => derivePurposeKey(secret, 'subject-ids'));
    this.sealingKeys = secrets.map((secret) => derivePurposeKey(secret, 'subject-keys'));
  }

  /** What the subject goes by in the database, with each secret. */
  idsOf({ subject, isVerified }: DataSubject): Buffer[] {
    const text = `${isVerified ? 'verified' : 'unverified'}\n${subject}`;
    return this.idKeys.map((key) => createHmac('sha256', key).update(text).digest());
  }

  /** A new key for a subject, sealed. */
  newKey(): Buffer {
    const [sealingKey] = this.sealingKeys;
    if (sealingKey === undefined) throw new Error('a key ring has at least one secret');
    return seal(randomBytes(KEY_BYTES), sealingKey);
  }

  /** @throws SealError */
  openKey(sealed: Buffer): Buffer {
    return unseal(sealed, ...this.sealingKeys);
  }
}
