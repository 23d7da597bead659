import { compactVerify, importJWK } from 'jose';
import { claims, encode, issuer, KeyPair, outcome } from './tokens.fixture';

/**
 * Signatures that verifiers have been caught accepting, of the classes of Project Wycheproof's JOSE, ECDSA, EdDSA and
 * RSA vectors (JWT-50), whose files no npm package ships. Each is made for the run; jose is the oracle beside what is
 * written of it.
 */
export type Vector = [name: string, signature: () => Uint8Array, wanted: 'accepted' | 'verify'];

export const algorithms = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA'] as const),
];
export type Algorithm = (typeof algorithms)[number];

export const rules = issuer({ algorithms: [...algorithms] });

/** What every signature of an algorithm is over. */
export const textOf = (alg: Algorithm): string => `${encode({ alg, kid: 'k1' })}.${encode(claims())}`;
export const hashOf = (alg: Algorithm): string | null => (alg === 'EdDSA' ? null : `sha${alg.slice(2)}`);

export const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
export const bytesOf = (value: bigint, length: number): Buffer =>
  Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');

/** Presents the text of the algorithm with each signature, to us and to the oracle, under this key. */
export async function judgeUnder(
  { publicJwk }: Pick<KeyPair, 'publicJwk'>,
  alg: Algorithm,
  vectors: Vector[],
): Promise<void> {
  const jwks = { keys: [publicJwk] };
  for (const [name, make, wanted] of vectors) {
    const token = `${textOf(alg)}.${Buffer.from(make()).toString('base64url')}`;
    const ours = await outcome(token, { jwks, rules });
    const oracle = await oracleAccepts(alg, token, publicJwk);
    expect({ name, ours, oracle }).toEqual({ name, ours: wanted, oracle: wanted === 'accepted' });
  }
}

async function oracleAccepts(alg: Algorithm, token: string, publicJwk: KeyPair['publicJwk']): Promise<boolean> {
  const { n } = publicJwk;
  const signature = Buffer.from(token.split('.')[2] ?? '', 'base64url');
  // RFC 8017 section 8.1.2, step 1, which OpenSSL leaves out for a signature that begins with a zero.
  if (n !== undefined && signature.length !== Buffer.from(n, 'base64url').length) return false;
  const key = await importJWK({ ...publicJwk }, alg);
  return compactVerify(token, key, { algorithms: [alg] }).then(
    () => true,
    () => false,
  );
}
