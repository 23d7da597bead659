import { createCipheriv, createDecipheriv, createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto';
import { pooledRandom } from './pooled-random';

/** What keys are derived for; each purpose has one of its own. */
export type SealPurpose =
  | 'webhook-secrets'
  | 'signing-keys'
  | 'dpop-nonce'
  | 'checkpoints'
  | 'webhook-signing'
  | 'personal-data'
  | 'subject-ids'
  | 'subject-keys';

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

/** None of the keys opens it: sealed under another key, for another purpose, or changed since. */
export class SealError extends Error {}

/** The 32-byte key of one purpose, from `COUNTERSIGN_ENCRYPTION_KEY` (HKDF with SHA-256, RFC 5869; the purpose is `info`). */
export function derivePurposeKey(encryptionKey: Buffer, purpose: SealPurpose): Buffer {
  return Buffer.from(hkdfSync('sha256', encryptionKey, Buffer.alloc(0), `countersign/${purpose}/v1`, 32));
}

/** The Ed25519 private key of 32 secret bytes (RFC 8032 §5.1.5). */
export function ed25519Key(secret: Buffer): KeyObject {
  // PKCS #8 around the bytes (RFC 8410 §7): node:crypto takes them in no other form.
  const key = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), secret]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

/** Encrypts and authenticates (AES-256-GCM): version byte, 12-byte random nonce, 16-byte tag, ciphertext. */
export function seal(plain: Buffer, purposeKey: Buffer): Buffer {
  const nonce = pooledRandom(NONCE_BYTES);
  const version = Buffer.from([VERSION]);
  const cipher = createCipheriv('aes-256-gcm', purposeKey, nonce).setAAD(version);
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([version, nonce, cipher.getAuthTag(), ciphertext]);
}

/**
 * The plain bytes, opened with the first key that fits: the current one, then those of earlier encryption keys.
 * @throws SealError
 */
export function unseal(sealed: Buffer, ...purposeKeys: Buffer[]): Buffer {
  if (sealed.length < HEADER_BYTES || sealed[0] !== VERSION) throw new SealError('not in the sealed form');
  for (const key of purposeKeys) {
    const plain = open(sealed, key);
    if (plain !== null) return plain;
  }
  throw new SealError('no key opens it');
}

function open(sealed: Buffer, key: Buffer): Buffer | null {
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(sealed.subarray(0, 1))
    .setAuthTag(sealed.subarray(1 + NONCE_BYTES, HEADER_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES)), decipher.final()]);
  } catch {
    return null;
  }
}

/** Seals for one purpose under the encryption key; opens with it, or with the previous one while that is named. */
export class PurposeSeal {
  private readonly current: Buffer;
  private readonly earlier: Buffer[];

  constructor(purpose: SealPurpose, keys: { encryptionKey: Buffer; previousEncryptionKey?: Buffer | undefined }) {
    const { encryptionKey, previousEncryptionKey: previous } = keys;
    this.current = derivePurposeKey(encryptionKey, purpose);
    this.earlier = previous === undefined ? [] : [derivePurposeKey(previous, purpose)];
  }

  seal(plain: Buffer): Buffer {
    return seal(plain, this.current);
  }

  /** @throws SealError when neither opens it */
  open(sealed: Buffer): Buffer {
    return unseal(sealed, this.current, ...this.earlier);
  }

  /**
   * The same under the current encryption key; null when it is already.
   * @throws SealError when neither opens it
   */
  reseal(sealed: Buffer): Buffer | null {
    const plain = this.open(sealed);
    return open(sealed, this.current) === null ? this.seal(plain) : null;
  }
}
