import { createECDH } from 'node:crypto';

/** A curve y² = x³ - 3x + b over a prime field (FIPS 186-4 appendix D.1.2). Slow and not constant in time: for tests. */
export interface Curve {
  field: bigint;
  order: bigint;
  /** Bytes of a coordinate. */
  size: number;
  generator: Point;
}

export interface Point {
  x: bigint;
  y: bigint;
}

const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);

function curve(name: string, size: number, field: bigint, order: bigint): Curve {
  const ecdh = createECDH(name);
  ecdh.setPrivateKey(Buffer.from('1'.padStart(2 * size, '0'), 'hex'));
  const bytes = ecdh.getPublicKey();
  return {
    ...{ field, order, size },
    generator: { x: number(bytes.subarray(1, 1 + size)), y: number(bytes.subarray(1 + size)) },
  };
}

export const curves = {
  ES256: curve(
    'prime256v1',
    32,
    2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  ),
  ES384: curve(
    'secp384r1',
    48,
    2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  ),
  ES512: curve(
    'secp521r1',
    66,
    2n ** 521n - 1n,
    0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  ),
};

export const modulo = (value: bigint, modulus: bigint): bigint => ((value % modulus) + modulus) % modulus;

/** By Euclid's extended algorithm. */
export function inverse(value: bigint, modulus: bigint): bigint {
  let [rest, next, factor, nextFactor] = [modulus, modulo(value, modulus), 0n, 1n];
  while (next > 0n) {
    const quotient = rest / next;
    [rest, next] = [next, rest - quotient * next];
    [factor, nextFactor] = [nextFactor, factor - quotient * nextFactor];
  }
  return modulo(factor, modulus);
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let [result, square] = [1n, base];
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

/** Null is the point at infinity. */
export function add({ field }: Curve, one: Point | null, other: Point | null): Point | null {
  if (one === null || other === null) return one ?? other;
  if (one.x === other.x && modulo(one.y + other.y, field) === 0n) return null;
  const slope =
    one.x === other.x
      ? (3n * one.x * one.x - 3n) * inverse(2n * one.y, field)
      : (other.y - one.y) * inverse(other.x - one.x, field);
  const x = modulo(slope * slope - one.x - other.x, field);
  return { x, y: modulo(slope * (one.x - x) - one.y, field) };
}

export function multiply(on: Curve, factor: bigint, point: Point): Point | null {
  let [result, double]: (Point | null)[] = [null, point];
  for (let left = modulo(factor, on.order); left > 0n; left >>= 1n) {
    if (left & 1n) result = add(on, result ?? null, double ?? null);
    double = add(on, double ?? null, double ?? null);
  }
  return result ?? null;
}

/** The first point whose x-coordinate is this number or a later one. */
export function pointFrom({ field, generator: { x: gx, y: gy } }: Curve, first: bigint): Point {
  const b = gy * gy - gx ** 3n + 3n * gx;
  for (let x = first; ; x += 1n) {
    const square = modulo(x ** 3n - 3n * x + b, field);
    // All three primes are 3 modulo 4: this is the root, if there is one.
    const y = power(square, (field + 1n) / 4n, field);
    if ((y * y) % field === square) return { x, y };
  }
}
