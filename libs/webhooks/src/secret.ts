const PREFIX = 'whsec_';
const MIN_BYTES = 24;
const MAX_BYTES = 64;

/** A secret in its written form, `whsec_` and base64 (Standard Webhooks); throws RangeError outside 24 to 64 bytes. */
export function generateSecret(random: Uint8Array): string {
  if (random.length < MIN_BYTES || random.length > MAX_BYTES) throw new RangeError('a secret has 24 to 64 bytes');
  return PREFIX + Buffer.from(random).toString('base64');
}

/** The key bytes of a written secret; null when it is none. */
export function secretBytes(secret: string): Buffer | null {
  if (!secret.startsWith(PREFIX)) return null;
  const text = secret.slice(PREFIX.length);
  const bytes = Buffer.from(text, 'base64');
  // Buffer skips what is not base64; only a text that survives the way back was one.
  if (bytes.toString('base64') !== text || bytes.length < MIN_BYTES || bytes.length > MAX_BYTES) return null;
  return bytes;
}
