import { createHmac, randomBytes, type Hmac } from 'node:crypto';
import { derivePurposeKey, seal, unseal } from '@countersign/platform';
import type { DataSubject } from './personal-members';

const KEY_BYTES = 32;
const NO_SECRET = 'a key ring has at least one secret';

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
  idsOf(subject: DataSubject): Buffer[] {
    return this.idKeys.map((key) => idWith(key, subject).digest());
  }

  /** What it goes by where it is new, in base64. */
  idOf(subject: DataSubject): string {
    const [key] = this.idKeys;
    if (key === undefined) throw new Error(NO_SECRET);
    return idWith(key, subject).digest('base64');
  }

  /** A new key for a subject, sealed. */
  newKey(): Buffer {
    const [sealingKey] = this.sealingKeys;
    if (sealingKey === undefined) throw new Error(NO_SECRET);
    return seal(randomBytes(KEY_BYTES), sealingKey);
  }

  /** @throws SealError */
  openKey(sealed: Buffer): Buffer {
    return unseal(sealed, ...this.sealingKeys);
  }
}

const idWith = (key: Buffer, { subject, isVerified }: DataSubject): Hmac =>
  createHmac('sha256', key).update(`${isVerified ? 'verified' : 'unverified'}\n${subject}`);
