import { constants, createPrivateKey, sign } from 'node:crypto';
import { algorithms, bytesOf, hashOf, judgeUnder, number, rules, textOf } from './signature-vectors.fixture';
import type { Algorithm, Vector } from './signature-vectors.fixture';
import { claims, encode, KeyPair, mint, newKey, outcome, signBytes } from './tokens.fixture';

type Bytes = Uint8Array;

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
const signatureOf = (alg: Algorithm): Buffer => signBytes(textOf(alg), alg, keyOf(alg));
const reversed = (bytes: Bytes): Buffer => Buffer.from(bytes).reverse();

const judge = (alg: Algorithm, vectors: Vector[]): Promise<void> => judgeUnder(keyOf(alg), alg, vectors);

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

  it('are not numbers at the edge, whichever meet', () => {
    const field = 2n ** 255n - 19n;
    const edges = (modulus: bigint): bigint[] => [0n, 1n, modulus - 1n, modulus, modulus + 1n, 2n ** 256n - 1n];
    const points = [...edges(field), 2n ** 255n - 1n, 2n ** 255n, 2n ** 255n + 1n];
    const scalars = [...edges(order), 2n ** 252n, 8n * order, 2n ** 255n];
    const pairs = points.flatMap((r) =>
      scalars.map((s): Vector => [
        `${r}, ${s}`,
        () => Buffer.concat([r, s].map((value) => reversed(bytesOf(value, 32)))),
        'verify',
      ]),
    );
    return judge('EdDSA', pairs);
  });
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

describe('a good signature is worth nothing', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  /** The same bytes, with unused bits of the last character set. */
  const respelled = (part: string): string => part.slice(0, -1) + alphabet.charAt(alphabet.indexOf(part.slice(-1)) | 1);
  const spellings: [string, (part: string) => string][] = [
    ['spaces before', (part) => `    ${part}`],
    ['spaces behind', (part) => `${part}    `],
    ['a space inside', (part) => `${part.slice(0, 4)} ${part.slice(4)}`],
    ['a line end behind', (part) => `${part}\r\n`],
    ['padding', (part) => `${part}==`],
    ['signs of no alphabet before', (part) => `####${part}`],
    ['signs of no alphabet behind', (part) => `${part}####`],
    ['a question mark inside', (part) => `${part.slice(0, 4)}?${part.slice(4)}`],
    ['signs of another alphabet', (part) => `${part}+/`],
    ['unused bits', respelled],
  ];

  // The bytes of each part have to leave bits unused in its last character.
  const header = encode({ alg: 'ES256', kid: 'k1' });
  const payload = [1, 2, 3]
    .map((count) => encode(claims({ x: 'x'.repeat(count) })))
    .find(({ length }) => length % 4 === 3);

  it.each(spellings)('over a text that is no base64url, though it is what was signed: %s', async (_, spell) => {
    const jwks = { keys: [keyOf('ES256').publicJwk] };
    const presented = async (head: string, body: string): Promise<string> => {
      const signature = signBytes(`${head}.${body}`, 'ES256', keyOf('ES256')).toString('base64url');
      return outcome(`${head}.${body}.${signature}`, { jwks, rules });
    };
    expect(await presented(header, String(payload))).toBe('accepted');
    expect(await presented(spell(header), String(payload))).toBe('token_form');
    expect(await presented(header, spell(String(payload)))).toBe('token_form');
  });

  it.each<[string, Algorithm, Record<string, unknown>, string]>([
    ['encrypts', 'RS256', { alg: undefined, use: 'enc' }, 'kid_unknown'],
    ['encrypts', 'ES256', { alg: undefined, use: 'enc' }, 'kid_unknown'],
    ['encrypts, it says in other words', 'RS256', { alg: undefined, key_ops: ['encrypt'] }, 'kid_unknown'],
    ['encrypts, it says in other words', 'ES256', { key_ops: ['encrypt', 'wrapKey'] }, 'kid_unknown'],
    ['unwraps keys', 'RS256', { alg: 'RSA1_5', use: 'enc' }, 'kid_unknown'],
    ['is for an algorithm of another curve', 'ES256', { alg: 'ES512' }, 'key_alg'],
    ['is for an algorithm that there is not', 'ES256', { alg: 'ES224' }, 'key_alg'],
    ['is for another padding', 'RS256', { alg: 'PS256' }, 'key_alg'],
    ['calls its curve another', 'ES256', { crv: 'P-384' }, 'key_form'],
    ['calls its curve another', 'ES256', { alg: undefined, crv: 'secp256k1' }, 'key_curve'],
    ['calls itself RSA', 'ES256', { kty: 'RSA' }, 'key_form'],
    ['calls itself a secret', 'ES256', { kty: 'oct', k: 'AA' }, 'key_symmetric'],
    ['was published with its private half', 'ES256', { d: 'AA' }, 'key_private'],
  ])('of a key that %s (%s)', async (_, alg, changes, reason) => {
    const token = `${textOf(alg)}.${signatureOf(alg).toString('base64url')}`;
    const published = { ...keyOf(alg).publicJwk, ...changes };
    expect(await outcome(token, { jwks: { keys: [published] }, rules })).toBe(reason);
  });
});
