import { constants, createHmac, createPublicKey, KeyObject, sign } from 'node:crypto';
import type { IssuerKey } from '@countersign/testing';

/** JSON text or bytes as they are; anything else as JSON. */
export type Part = string | Uint8Array | object;

export const encode = (part: Part): string =>
  Buffer.from(typeof part === 'string' || part instanceof Uint8Array ? part : JSON.stringify(part)).toString(
    'base64url',
  );

/** The signature over exactly this text, whatever the header says of it. */
export function signText(text: string, key: IssuerKey, alg: string = key.alg): Buffer {
  const hash = alg === 'EdDSA' ? null : `sha${alg.slice(2)}`;
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return sign(hash, Buffer.from(text), {
    key: KeyObject.from(key.privateKey),
    dsaEncoding: 'ieee-p1363',
    ...(alg.startsWith('PS') ? pss : {}),
  });
}

/** A compact JWS of exactly this header and payload, which no library would make. */
export function forge(header: Part, payload: Part, key: IssuerKey, alg: string = key.alg): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signText(input, key, alg).toString('base64url')}`;
}

/** The same without a signature of its own: these bytes in its place. */
export const withSignature = (header: Part, payload: Part, signature: Uint8Array): string =>
  `${encode(header)}.${encode(payload)}.${Buffer.from(signature).toString('base64url')}`;

export function hmacToken(header: object, payload: object, secret: string): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return withSignature(header, payload, createHmac('sha256', secret).update(input).digest());
}

/** The public key as attackers find it in documentation: SPKI, PEM. */
export const publicPem = ({ publicJwk }: IssuerKey): string =>
  createPublicKey({ key: { ...publicJwk }, format: 'jwk' })
    .export({ type: 'spki', format: 'pem' })
    .toString();
