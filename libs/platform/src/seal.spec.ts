import { randomBytes } from 'node:crypto';
import { PurposeSeal, SealError, derivePurposeKey, seal, unseal } from './seal';

const encryptionKey = randomBytes(32);
const key = derivePurposeKey(encryptionKey, 'webhook-secrets');
const secret = Buffer.from('a secret of some length');

describe('sealed values', () => {
  test('open to the same bytes, and are never the same twice', () => {
    const first = seal(secret, key);
    expect(unseal(first, key)).toEqual(secret);
    expect(first.includes(secret)).toBe(false);
    expect(seal(secret, key)).not.toEqual(first);
    expect(unseal(seal(Buffer.alloc(0), key), key)).toEqual(Buffer.alloc(0));
  });

  test('open with the key of an earlier encryption key while it is named', () => {
    const next = derivePurposeKey(randomBytes(32), 'webhook-secrets');
    const sealed = seal(secret, key);
    expect(unseal(sealed, next, key)).toEqual(secret);
    expect(() => unseal(sealed, next)).toThrow(SealError);
  });

  test('are sealed anew under the current key while an earlier one is named, and stay when they are already', () => {
    const next = randomBytes(32);
    const sealed = new PurposeSeal('webhook-secrets', { encryptionKey }).seal(secret);
    const changed = new PurposeSeal('webhook-secrets', { encryptionKey: next, previousEncryptionKey: encryptionKey });
    const alone = new PurposeSeal('webhook-secrets', { encryptionKey: next });
    expect(changed.open(sealed)).toEqual(secret);
    expect(alone.open(changed.reseal(sealed) ?? Buffer.alloc(0))).toEqual(secret);
    expect(changed.reseal(changed.seal(secret))).toBeNull();
    expect(() => alone.reseal(sealed)).toThrow(SealError);
  });

  test('do not open for another purpose', () => {
    const other = derivePurposeKey(encryptionKey, 'signing-keys');
    expect(() => unseal(seal(secret, key), other)).toThrow(SealError);
  });

  test('do not open when any single byte was changed', () => {
    const sealed = seal(secret, key);
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => unseal(changed, key)).toThrow(SealError);
    }
  });

  test.each([0, 1, 28])('do not open when cut to %i bytes', (length) => {
    expect(() => unseal(seal(secret, key).subarray(0, length), key)).toThrow(SealError);
  });
});

// Another value here would leave everything that is stored unreadable.
test('the purpose key is a fixed function of the encryption key', () => {
  expect(derivePurposeKey(Buffer.alloc(32, 7), 'signing-keys').toString('hex')).toBe(
    '35a7b99100344cbc58dc86bcdbd1dd6cd3fcf5d1818121a382fabb0eacb0d597',
  );
});
