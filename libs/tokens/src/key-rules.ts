import { createPublicKey } from 'node:crypto';
import { KeyRejectionReason } from './refusal-reasons';
import { Jwk } from './types';

const base64url = /^[A-Za-z0-9_-]+$/;
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv'];

/** Coordinate length in bytes by curve (RFC 7518 section 6.2.1.2, RFC 8037 section 2). */
const ecCoordinateBytes: Record<string, number> = { 'P-256': 32, 'P-384': 48, 'P-521': 66 };

const rsaBits = { min: 2048, max: 8192 };
/** An exponent of 1 makes every message its own signature, 3 forgives sloppy padding checks. */
const rsaExponent = { min: 5n, max: 2n ** 32n };

/**
 * One library made primes that are powers of 65537 modulo every small prime, which makes them easy to find (ROCA,
 * CVE-2017-15361). Their products are such powers too; of other moduli one in 2^83 is, by chance.
 */
const rocaGenerator = 65_537;
const rocaResidues = oddPrimesUpTo(353).map((prime) => ({ prime: BigInt(prime), residues: rocaPowers(prime) }));

const fieldPrime = 2n ** 255n - 19n;
const curveConstant = -121665n * power(121666n, fieldPrime - 2n);
const orderEightY = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
/** y-coordinates of the points of order 1, 2, 4 and 8: under such a key any signature can be made to verify. */
const smallOrderY: ReadonlySet<bigint> = new Set([0n, 1n, fieldPrime - 1n, orderEightY, fieldPrime - orderEightY]);

type KeyRule = (jwk: Record<string, unknown>) => KeyRejectionReason | null;

const rulesByType: Record<string, KeyRule> = { RSA: rsaDefect, EC: ecDefect, OKP: okpDefect };

/** Algorithms that a key can be used with, by key type and curve (RFC 7518 section 3.1, RFC 8037 section 3.1). */
const algorithmsByKey: Record<string, readonly string[]> = {
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  'P-256': ['ES256'],
  'P-384': ['ES384'],
  'P-521': ['ES512'],
  Ed25519: ['EdDSA', 'Ed25519'],
};

/** Why a published key must not be used, or null. Nothing is thrown. */
export function keyDefect(jwk: Record<string, unknown>): KeyRejectionReason | null {
  if (jwk['kty'] === 'oct' || Object.hasOwn(jwk, 'k')) return 'key_symmetric';
  if (privateMembers.some((name) => Object.hasOwn(jwk, name))) return 'key_private';
  return parameterDefect(jwk) ?? declaredAlgorithmDefect(jwk) ?? (isImportable(jwk) ? null : 'key_form');
}

function parameterDefect(jwk: Record<string, unknown>): KeyRejectionReason | null {
  const { kty } = jwk;
  const rule = typeof kty === 'string' && Object.hasOwn(rulesByType, kty) ? rulesByType[kty] : undefined;
  return rule === undefined ? 'key_type' : rule(jwk);
}

function declaredAlgorithmDefect({ alg, ...jwk }: Record<string, unknown>): KeyRejectionReason | null {
  if (alg === undefined) return null;
  return typeof alg === 'string' && algorithmsOf(jwk).includes(alg) ? null : 'key_alg';
}

/** Whether the curve or type of the key is the one that the algorithm prescribes. */
export function isKeyFor(jwk: Jwk, alg: string): boolean {
  return algorithmsOf({ ...jwk }).includes(alg);
}

/** Keys for encryption, or for anything but verifying, are no verification keys (RFC 7517 sections 4.2, 4.3). */
export function isForVerification(jwk: Record<string, unknown>): boolean {
  const { use, key_ops: operations } = jwk;
  if (use !== undefined && use !== 'sig') return false;
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'));
}

function algorithmsOf(jwk: Record<string, unknown>): readonly string[] {
  const name = jwk['kty'] === 'RSA' ? 'RSA' : jwk['crv'];
  return typeof name === 'string' && Object.hasOwn(algorithmsByKey, name) ? (algorithmsByKey[name] ?? []) : [];
}

function rsaDefect(jwk: Record<string, unknown>): KeyRejectionReason | null {
  const modulus = unsigned(jwk['n']);
  const exponent = unsigned(jwk['e']);
  if (modulus === null || exponent === null) return 'key_form';
  const bits = modulus.toString(2).length;
  if (bits < rsaBits.min || bits > rsaBits.max) return 'key_size';
  if (exponent < rsaExponent.min || exponent > rsaExponent.max || exponent % 2n === 0n) return 'key_exponent';
  if (modulus % 2n === 0n) return 'key_form';
  return rocaResidues.every(({ prime, residues }) => residues.has(modulus % prime)) ? 'key_weak' : null;
}

function oddPrimesUpTo(limit: number): number[] {
  const primes: number[] = [];
  for (let value = 3; value <= limit; value += 2) if (primes.every((prime) => value % prime > 0)) primes.push(value);
  return primes;
}

function rocaPowers(prime: number): Set<bigint> {
  const powers = new Set<bigint>();
  for (let value = 1; !powers.has(BigInt(value)); value = (value * rocaGenerator) % prime) powers.add(BigInt(value));
  return powers;
}

function ecDefect(jwk: Record<string, unknown>): KeyRejectionReason | null {
  const { crv } = jwk;
  const length = typeof crv === 'string' && Object.hasOwn(ecCoordinateBytes, crv) ? ecCoordinateBytes[crv] : undefined;
  if (length === undefined) return 'key_curve';
  return bytesOf(jwk['x'])?.length === length && bytesOf(jwk['y'])?.length === length ? null : 'key_form';
}

function okpDefect(jwk: Record<string, unknown>): KeyRejectionReason | null {
  if (jwk['crv'] !== 'Ed25519') return 'key_curve';
  const point = bytesOf(jwk['x']);
  if (point?.length !== 32) return 'key_form';
  const y = BigInt(`0x${Buffer.from(point).reverse().toString('hex')}`) & (2n ** 255n - 1n);
  if (smallOrderY.has(y % fieldPrime)) return 'key_small_order';
  return y < fieldPrime && isOnEd25519(y) ? null : 'key_form';
}

/** RFC 8032 section 5.1.3: x² = (y² - 1) / (d y² + 1) must be a square, which half of all numbers are. */
function isOnEd25519(y: bigint): boolean {
  const [numerator, denominator] = [y * y - 1n, curveConstant * y * y + 1n];
  return power(numerator * denominator, (fieldPrime - 1n) / 2n) === 1n;
}

/** Modulo the field prime, for numbers that are no secret. */
function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, ((base % fieldPrime) + fieldPrime) % fieldPrime];
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % fieldPrime;
    square = (square * square) % fieldPrime;
  }
  return result;
}

/** A point that is not on its curve shows only here, and one whose coordinates are beyond the field. */
function isImportable(jwk: Record<string, unknown>): boolean {
  try {
    const { x, y } = createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'jwk' });
    return jwk['kty'] !== 'EC' || (x === jwk['x'] && y === jwk['y']);
  } catch {
    return false;
  }
}

function bytesOf(value: unknown): Buffer | null {
  if (typeof value !== 'string' || !base64url.test(value) || value.length > 4096) return null;
  return Buffer.from(value, 'base64url');
}

function unsigned(value: unknown): bigint | null {
  const bytes = bytesOf(value);
  return bytes === null || bytes.length === 0 ? null : BigInt(`0x${bytes.toString('hex')}`);
}
