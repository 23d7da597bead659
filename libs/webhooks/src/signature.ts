import { createHmac, createPublicKey, sign, timingSafeEqual, type KeyObject } from 'node:crypto';
import { secretBytes } from './secret';

const SCHEME = 'v1,';
const ASYMMETRIC_SCHEME = 'v1a,';
const TOLERANCE_SECONDS = 300;
const UNIX_TIMESTAMP = /^\d{1,12}$/;

export interface MessageToSign {
  /** `webhook-id`: the same for every attempt; has no `.`, which separates the signed parts. */
  id: string;
  /** `webhook-timestamp`: the attempt, in epoch seconds. */
  timestamp: number;
  /** The exact bytes that are sent. */
  body: string | Uint8Array;
  /** Written secrets, `whsec_…`: the current one, and the previous one while it is being rotated. */
  secrets: readonly string[];
  /** Ed25519: signs once more, for receivers that hold no secret. */
  privateKey?: KeyObject;
}

/** Value of `webhook-signature`: one `v1,` signature per secret and one `v1a,` of the key, separated by spaces. Throws RangeError on bad input. */
export function signMessage({ id, timestamp, body, secrets, privateKey }: MessageToSign): string {
  if (id === '' || id.includes('.')) throw new RangeError('a message id is not empty and has no dot');
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) throw new RangeError('the timestamp is in whole seconds');
  if (secrets.length === 0) throw new RangeError('a message is signed with at least one secret');
  const prefix = `${id}.${timestamp}.`;
  const signatures = secrets.map((secret) => SCHEME + hmac(secret, prefix, body).toString('base64'));
  if (privateKey === undefined) return signatures.join(' ');
  const signature = sign(null, Buffer.concat([Buffer.from(prefix), Buffer.from(body)]), privateKey);
  return [...signatures, ASYMMETRIC_SCHEME + signature.toString('base64')].join(' ');
}

/** The public half of a signing key as receivers are given it: `whpk_` and its 32 bytes in base64. */
export function formatPublicKey(privateKey: KeyObject): string {
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  return `whpk_${Buffer.from(x, 'base64url').toString('base64')}`;
}

export interface ReceivedMessage {
  /** The three headers as received. */
  id: string | undefined;
  timestamp: string | undefined;
  signature: string | undefined;
  /** The exact bytes received, before any parsing. */
  body: string | Uint8Array;
  secrets: readonly string[];
  /** Epoch seconds. */
  now: number;
  /** How far the timestamp may be off, in seconds; 300 unless told. */
  tolerance?: number;
}

export type Verification =
  { ok: true } | { ok: false; reason: 'missing_header' | 'bad_timestamp' | 'too_old' | 'too_new' | 'bad_signature' };

/** Is this message ours, unchanged and recent? Compares in constant time; a receiver still remembers ids it has seen. */
export function verifyMessage(message: ReceivedMessage): Verification {
  const { id, timestamp, signature } = message;
  if (!id || !timestamp || !signature) return { ok: false, reason: 'missing_header' };
  if (!UNIX_TIMESTAMP.test(timestamp)) return { ok: false, reason: 'bad_timestamp' };
  const age = message.now - Number(timestamp);
  const tolerance = message.tolerance ?? TOLERANCE_SECONDS;
  if (age > tolerance) return { ok: false, reason: 'too_old' };
  if (age < -tolerance) return { ok: false, reason: 'too_new' };
  const wanted = message.secrets.map((secret) => hmac(secret, `${id}.${timestamp}.`, message.body));
  const given = signature.split(' ').filter((part) => part.startsWith(SCHEME));
  const matches = given.some((part) => wanted.some((mac) => isEqual(mac, part.slice(SCHEME.length))));
  return matches ? { ok: true } : { ok: false, reason: 'bad_signature' };
}

function hmac(secret: string, prefix: string, body: string | Uint8Array): Buffer {
  const key = secretBytes(secret);
  if (key === null) throw new RangeError('not a webhook secret');
  return createHmac('sha256', key).update(prefix).update(body).digest();
}

function isEqual(mac: Buffer, base64: string): boolean {
  const given = Buffer.from(base64, 'base64');
  return given.length === mac.length && timingSafeEqual(given, mac);
}
