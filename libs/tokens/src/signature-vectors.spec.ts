import { constants, createHash, createPrivateKey, privateEncrypt, sign } from 'node:crypto';
import { compactVerify, importJWK } from 'jose';
import { claims, encode, issuer, KeyPair, mint, newKey, outcome, signBytes } from './tokens.fixture';

/**
 * Signatures that verifiers have been caught accepting, in the spirit of Project Wycheproof's JOSE vectors (JWT-50),
 * whose files no package ships. Each is made for this run; jose is the oracle beside what is written here.
 */

type Bytes = Uint8Array;
type Vector = [name: string, signature: () => Bytes, wanted: 'accepted' | 'verify'];

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;
type Algorithm = (typeof algorithms)[number];

const rules = issuer({ algorithms: [...algorithms] });
const keys = new Map<Algorithm, KeyPair>();
const strangers = new Map<Algorithm, KeyPair>();

beforeAll(async () => {
  for (const alg of algorithms) {
    const [own, other] = await Promise.all([newKey('k1', alg), newKey('k1', alg)]);
    keys.set(alg, own);
    strangers.set(alg, other);
  }
});

const keyOf = (alg: Algorithm): KeyPair => keys.get(alg) as KeyPair;
const privateKeyOf = (alg: Algorithm) => createPrivateKey({ key: keyOf(alg).privateJwk, format: 'jwk' });
const textOf = (alg: Algorithm): string => `${encode({ alg, kid: 'k1' })}.${encode(claims())}`;
const signatureOf = (alg: Algorithm): Buffer => signBytes(textOf(alg), alg, keyOf(alg));
const hashOf = (alg: Algorithm): string | null => (alg === 'EdDSA' ? null : `sha${alg.slice(2)}`);
const number = (bytes: Bytes): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const bytesOf = (value: bigint, length: number): Buffer =>
  Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');
const reversed = (bytes: Bytes): Buffer => Buffer.from(bytes).reverse();

async function oracleAccepts(alg: Algorithm, token: string): Promise<boolean> {
  const { publicJwk } = keyOf(alg);
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

async function judge(alg: Algorithm, vectors: Vector[]): Promise<void> {
  const jwks = { keys: [keyOf(alg).publicJwk] };
  for (const [name, make, wanted] of vectors) {
    const signature = make();
    const token = `${textOf(alg)}.${Buffer.from(signature).toString('base64url')}`;
    const found = { name, ours: await outcome(token, { jwks, rules }), oracle: await oracleAccepts(alg, token) };
    expect(found).toEqual({ name, ours: wanted, oracle: wanted === 'accepted' });
  }
}

describe.each(algorithms)('%s', (alg) => {
  const common: Vector[] = [
    ['as it was made', () => signatureOf(alg), 'accepted'],
    ['of another key', () => signBytes(textOf(alg), alg, strangers.get(alg) as KeyPair), 'verify'],
    ['over another text', () => signBytes(`${textOf(alg)} `, alg, keyOf(alg)), 'verify'],
    ['over the claims alone', () => signBytes(textOf(alg).split('.')[1] ?? '', alg, keyOf(alg)), 'verify'],
    ['cut by a byte at the end', () => signatureOf(alg).subarray(0, -1), 'verify'],
    ['cut by a byte at the start', () => signatureOf(alg).subarray(1), 'verify'],
    ['cut to half', () => signatureOf(alg).subarray(0, signatureOf(alg).length / 2), 'verify'],
    ['with a zero byte behind', () => Buffer.concat([signatureOf(alg), Buffer.alloc(1)]), 'verify'],
    ['with a zero byte before', () => Buffer.concat([Buffer.alloc(1), signatureOf(alg)]), 'verify'],
    ['twice in a row', () => Buffer.concat([signatureOf(alg), signatureOf(alg)]), 'verify'],
    ['of zeros', () => Buffer.alloc(signatureOf(alg).length), 'verify'],
    ['of ones', () => Buffer.alloc(signatureOf(alg).length, 0xff), 'verify'],
    ['of a single one', () => bytesOf(1n, signatureOf(alg).length), 'verify'],
    ['backwards', () => reversed(signatureOf(alg)), 'verify'],
  ];

  it('only the signature itself is accepted, nothing cut, lengthened or made up', () => judge(alg, common));

  it('a change of any byte is noticed', () => {
    const places = Array.from({ length: 16 }, (_, i) => Math.floor((i * signatureOf(alg).length) / 16));
    const flipped = (place: number) => (): Bytes => {
      const bytes = signatureOf(alg);
      bytes[place] = (bytes[place] ?? 0) ^ 0x01;
      return bytes;
    };
    return judge(
      alg,
      places.map((place): Vector => [`byte ${place}`, flipped(place), 'verify']),
    );
  });
});

const orders = {
  ES256: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  ES384: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  ES512:
    0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
};

describe.each(['ES256', 'ES384', 'ES512'] as const)('%s: r and s', (alg) => {
  const n = orders[alg];
  const split = (): [bigint, bigint, number] => {
    const bytes = signatureOf(alg);
    const length = bytes.length / 2;
    return [number(bytes.subarray(0, length)), number(bytes.subarray(length)), length];
  };
  const joined = (change: (r: bigint, s: bigint) => [bigint, bigint]) => (): Bytes => {
    const [r, s, length] = split();
    return Buffer.concat(change(r, s).map((value) => bytesOf(value % (1n << BigInt(8 * length)), length)));
  };

  it('are numbers between 1 and n - 1, in this order and form', () => {
    const special = { zero: 0n, one: 1n, 'n - 1': n - 1n, n, 'n + 1': n + 1n };
    const pairs = Object.entries(special).flatMap(([left, r]) =>
      Object.entries(special).map(([right, s]): Vector => [`${left}, ${right}`, joined(() => [r, s]), 'verify']),
    );
    return judge(alg, [
      ...pairs,
      ['s of zero', joined((r) => [r, 0n]), 'verify'],
      ['r of zero', joined((_, s) => [0n, s]), 'verify'],
      ['s and r', joined((r, s) => [s, r]), 'verify'],
      ['r negated', joined((r, s) => [n - r, s]), 'verify'],
      ['in DER', () => sign(hashOf(alg), Buffer.from(textOf(alg)), privateKeyOf(alg)), 'verify'],
      // ECDSA itself knows no difference; that is why a use is not remembered by the text of the signature.
      ['s negated', joined((r, s) => [r, n - s]), 'accepted'],
    ]);
  });

  it('have one spelling: n more is another number', () => {
    const [r, s, length] = split();
    const fits = (value: bigint): boolean => value + n < 1n << BigInt(8 * length);
    const vectors: Vector[] = [];
    if (fits(r)) vectors.push(['r + n', joined((one, two) => [one + n, two]), 'verify']);
    if (fits(s)) vectors.push(['s + n', joined((one, two) => [one, two + n]), 'verify']);
    return judge(alg, vectors);
  });
});

describe.each(['RS256', 'RS384', 'RS512'] as const)('%s: the padding of PKCS #1 v1.5 (RFC 8017 section 9.2)', (alg) => {
  const prefixes = {
    RS256: '0609608648016503040201',
    RS384: '0609608648016503040202',
    RS512: '0609608648016503040203',
  };
  const digest = (): Buffer =>
    createHash(hashOf(alg) ?? '')
      .update(textOf(alg))
      .digest();
  const der = (tag: number, ...parts: Bytes[]): Buffer => {
    const content = Buffer.concat(parts);
    return Buffer.concat([Buffer.from([tag, content.length]), content]);
  };
  const identifier = (oid = prefixes[alg], parameters = '0500'): Buffer =>
    der(0x30, Buffer.from(oid, 'hex'), Buffer.from(parameters, 'hex'));
  const info = (oid?: string, parameters?: string): Buffer =>
    der(0x30, identifier(oid, parameters), der(0x04, digest()));
  const padded = (tail: Bytes, { type = 1, fill = 0xff, garbage = 0 } = {}): Buffer => {
    const room = 256 - 3 - tail.length - garbage;
    const head = [Buffer.from([0, type]), Buffer.alloc(room, fill), Buffer.alloc(1)];
    return Buffer.concat([...head, tail, Buffer.alloc(garbage)]);
  };
  const raw = (block: Bytes) => (): Bytes =>
    privateEncrypt({ key: privateKeyOf(alg), padding: constants.RSA_NO_PADDING }, block);

  it('is that one block, without room for anything else', () =>
    judge(alg, [
      ['as it must be', () => raw(padded(info()))(), 'accepted'],
      ['without the NULL of the algorithm', () => raw(padded(info(undefined, '')))(), 'verify'],
      ['with other parameters', () => raw(padded(info(undefined, '0401ff')))(), 'verify'],
      ['of another hash', () => raw(padded(info('06052b0e03021a')))(), 'verify'],
      ['of MD5', () => raw(padded(info('06082a864886f70d0205')))(), 'verify'],
      ['without naming the hash', () => raw(padded(digest()))(), 'verify'],
      ['with garbage behind the hash', () => raw(padded(info(), { garbage: 100 }))(), 'verify'],
      ['of block type 2', () => raw(padded(info(), { type: 2 }))(), 'verify'],
      ['of block type 0', () => raw(padded(info(), { type: 0, fill: 0 }))(), 'verify'],
      ['filled with something else', () => raw(padded(info(), { fill: 0xfe }))(), 'verify'],
      ['as PSS', () => signBytes(textOf(alg), alg.replace('RS', 'PS'), keyOf(alg)), 'verify'],
    ]));

  it('has one spelling: the modulus more is another number', () => {
    const modulus = number(Buffer.from(String(keyOf(alg).publicJwk.n), 'base64url'));
    const more = number(signatureOf(alg)) + modulus;
    const length = more >= 1n << 2048n ? 257 : 256;
    return judge(alg, [['s + n', () => bytesOf(more, length), 'verify']]);
  });
});

describe.each(['PS256', 'PS384', 'PS512'] as const)('%s: the salt (RFC 7518 section 3.5)', (alg) => {
  const size = Number(alg.slice(2)) / 8;
  const salted =
    (saltLength: number, hash = hashOf(alg)) =>
    (): Bytes =>
      sign(hash, Buffer.from(textOf(alg)), {
        key: privateKeyOf(alg),
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength,
      });

  it('is as long as the hash, no more and no less', () =>
    judge(alg, [
      ['as long as the hash', salted(size), 'accepted'],
      ...[0, 1, 20, size - 1, size + 1, 256 - size - 2].map((length): Vector => [
        `${length} bytes`,
        salted(length),
        'verify',
      ]),
      ['of another hash', salted(size, alg === 'PS256' ? 'sha512' : 'sha256'), 'verify'],
      ['of SHA-1', salted(20, 'sha1'), 'verify'],
      ['as PKCS #1 v1.5', () => signBytes(textOf(alg), alg.replace('PS', 'RS'), keyOf(alg)), 'verify'],
    ]));
});

describe('EdDSA: R and S (RFC 8032 section 5.1.7)', () => {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const withS = (change: (s: bigint) => bigint) => (): Bytes => {
    const bytes = signatureOf('EdDSA');
    const s = number(reversed(bytes.subarray(32)));
    return Buffer.concat([bytes.subarray(0, 32), reversed(bytesOf(change(s), 32))]);
  };
  const withR = (hex: string) => (): Bytes =>
    Buffer.concat([Buffer.from(hex.padEnd(64, '0'), 'hex'), signatureOf('EdDSA').subarray(32)]);

  it('have one spelling', () =>
    judge('EdDSA', [
      ['S + L', withS((s) => s + order), 'verify'],
      ['S + 8 L', withS((s) => s + 8n * order), 'verify'],
      ['S with its top bit', withS((s) => s | (1n << 255n)), 'verify'],
      ['S of zero', withS(() => 0n), 'verify'],
      ['L as S', withS(() => order), 'verify'],
      ['L - S', withS((s) => order - s), 'verify'],
      ['the neutral point as R', withR('01'), 'verify'],
      [
        'the point of order two as R',
        withR('ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'),
        'verify',
      ],
      [
        'a coordinate beyond the field as R',
        withR('ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'),
        'verify',
      ],
      ['the neutral point and zero', () => Buffer.from(`01${'00'.repeat(63)}`, 'hex'), 'verify'],
    ]));
});

it('a signature that begins with a zero has no twin without it', async () => {
  let signature = signatureOf('PS256');
  while (signature[0] !== 0) signature = signatureOf('PS256');
  await judge('PS256', [
    ['as it was made', () => signature, 'accepted'],
    ['without its zero', () => signature.subarray(1), 'verify'],
  ]);
});

it('a signature is not carried from one algorithm of an RSA key to another', async () => {
  const { publicJwk, privateJwk } = keyOf('RS256');
  const { alg: _alg, ...undeclared } = publicJwk;
  for (const [signed, named] of [
    ['RS256', 'RS512'],
    ['RS256', 'PS256'],
    ['PS256', 'RS256'],
    ['PS384', 'PS256'],
  ] as const) {
    const token = mint({ alg: named, kid: 'k1' }, claims(), { publicJwk, privateJwk }, signed);
    expect(await outcome(token, { jwks: { keys: [undeclared] }, rules })).toBe('verify');
  }
});
