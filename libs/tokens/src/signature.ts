import { constants, createPrivateKey, createPublicKey, JsonWebKeyInput, KeyObject, sign, verify } from 'node:crypto';
import { Jwk, ParsedToken, PrivateJwk } from './types';

interface SignatureForm {
  /** Null where the algorithm brings its own. */
  hash: string | null;
  options: { padding?: number; saltLength?: number; dsaEncoding?: 'ieee-p1363' };
  /** Bytes of a signature; null where the key says how long it is. */
  length: number | null;
}

const pkcs1 = { padding: constants.RSA_PKCS1_PADDING };
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
const plain = { dsaEncoding: 'ieee-p1363' } as const;
const edwards: SignatureForm = { hash: null, options: {}, length: 64 };

/** RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864. */
const forms: ReadonlyMap<string, SignatureForm> = new Map([
  ...['256', '384', '512'].flatMap((bits): [string, SignatureForm][] => [
    [`RS${bits}`, { hash: `sha${bits}`, options: pkcs1, length: null }],
    [`PS${bits}`, { hash: `sha${bits}`, options: pss, length: null }],
  ]),
  ['ES256', { hash: 'sha256', options: plain, length: 64 }],
  ['ES384', { hash: 'sha384', options: plain, length: 96 }],
  ['ES512', { hash: 'sha512', options: plain, length: 132 }],
  ['EdDSA', edwards],
  ['Ed25519', edwards],
]);

/** Imported keys by key object: an import costs more than a verification, and keys are few and long-lived. */
const imported = new WeakMap<Jwk | PrivateJwk, KeyObject>();

/**
 * Whether the token's signature is that of the key under the token's own `alg`, which the key must already fit.
 * What cannot be read is no valid signature either: hostile input is refused, not a fault. It runs in the thread of
 * the caller, who would otherwise wait longer for another thread than for the answer.
 */
export function hasValidSignature({ token, alg }: Pick<ParsedToken, 'token' | 'alg'>, key: Jwk): boolean {
  const form = forms.get(alg);
  if (form === undefined) return false;
  const end = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  if (signature.length !== (form.length ?? modulusLength(key))) return false;
  try {
    const options = { key: importOnce(key, createPublicKey), ...form.options };
    return verify(form.hash, Buffer.from(token.slice(0, end), 'latin1'), options, signature);
  } catch {
    return false;
  }
}

/** A compact JWS (RFC 7515 section 7.1). @throws RangeError for an algorithm that is none of ours */
export function signCompact(
  header: { alg: string; typ: string; kid: string },
  payload: object,
  key: PrivateJwk,
): string {
  const form = forms.get(header.alg);
  if (form === undefined) throw new RangeError('no signature algorithm');
  const input = `${encode(header)}.${encode(payload)}`;
  const options = { key: importOnce(key, createPrivateKey), ...form.options };
  return `${input}.${sign(form.hash, Buffer.from(input, 'latin1'), options).toString('base64url')}`;
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * RFC 8017 section 8.1.2, step 1: an RSA signature is as long as the modulus. OpenSSL also takes one whose leading
 * zero was dropped, which would give one token in 256 a twin. Some issuers write a zero before the modulus.
 */
function modulusLength({ n = '' }: Jwk): number {
  const modulus = Buffer.from(n, 'base64url');
  return modulus.length - modulus.findIndex((byte) => byte !== 0);
}

function importOnce(key: Jwk | PrivateJwk, create: (input: JsonWebKeyInput) => KeyObject): KeyObject {
  const known = imported.get(key);
  if (known !== undefined) return known;
  const made = create({ key: { ...key }, format: 'jwk' });
  imported.set(key, made);
  return made;
}
