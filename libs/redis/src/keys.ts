const KEY = /^[\x21-\x7e]{1,512}$/;

/** @throws RangeError for a key that is not 1 to 512 printable ASCII characters */
export function checkKeys(...keys: string[]): void {
  if (!keys.every((key) => KEY.test(key))) throw new RangeError('a key is 1 to 512 printable ASCII characters');
}

/** @throws RangeError for an end that is no whole epoch second in the future */
export function checkExpiry(expiresAt: number): void {
  if (!Number.isSafeInteger(expiresAt) || expiresAt <= Date.now() / 1000)
    throw new RangeError('expiresAt must be a future time in whole epoch seconds');
}
