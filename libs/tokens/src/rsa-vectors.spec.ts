import { constants, createHash, createPrivateKey, privateEncrypt } from 'node:crypto';
import { Der, derOf, derVariants } from './der-variants.fixture';
import { bytesOf, hashOf, judgeUnder, number, rules, textOf, Vector } from './signature-vectors.fixture';
import { KeyPair, newKey, outcome, signBytes } from './tokens.fixture';

/** RFC 8017 section 9.2, note 1: the hash function named in a signature. */
const hashNames = {
  RS256: '608648016503040201',
  RS384: '608648016503040202',
  RS512: '608648016503040203',
};
type Rsa = keyof typeof hashNames;

let key: KeyPair;

beforeAll(async () => {
  const { publicJwk, privateJwk } = await newKey('k1', 'RS256');
  const { alg: _alg, ...undeclared } = publicJwk;
  key = { publicJwk: undeclared, privateJwk };
});

const judge = (alg: Rsa, vectors: Vector[]): Promise<void> => judgeUnder(key, alg, vectors);
const digest = (alg: Rsa): Buffer =>
  createHash(hashOf(alg) ?? '')
    .update(textOf(alg))
    .digest();

/** DigestInfo, with another name of the hash and other parameters where they are given. */
function digestInfo(alg: Rsa, name: string = hashNames[alg], parameters: Der[] = [nothing]): Der {
  const identifier = { tag: 0x30, value: [{ tag: 0x06, value: Buffer.from(name, 'hex') }, ...parameters] };
  return { tag: 0x30, value: [identifier, { tag: 0x04, value: digest(alg) }] };
}

const nothing: Der = { tag: 0x05, value: Buffer.alloc(0) };

interface Padding {
  type?: number;
  fill?: number;
  /** Bytes of padding, where they are fewer than fill the block; zeros behind the tail take their place. */
  length?: number;
}

function padded(tail: Uint8Array, { type = 1, fill = 0xff, length }: Padding = {}): Buffer {
  const room = 256 - 3 - tail.length;
  const padding = Buffer.alloc(length ?? room, fill);
  return Buffer.concat([Buffer.from([0, type]), padding, Buffer.alloc(1), tail], 256);
}

const changed = (block: Buffer, at: number, byte: number): Buffer => Buffer.from(block.with(at, byte));

const signed = (block: Uint8Array) => (): Uint8Array => {
  const privateKey = createPrivateKey({ key: key.privateJwk, format: 'jwk' });
  return privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, block);
};

describe.each(['RS256', 'RS384', 'RS512'] as const)('%s: the block that is signed', (alg) => {
  it('is the one of PKCS #1 v1.5, without room for anything else (RFC 8017 section 9.2)', () => {
    const info = derOf(digestInfo(alg));
    const good = padded(info);
    const blocks: [string, Buffer][] = [
      ['without the NULL of the algorithm', padded(derOf(digestInfo(alg, undefined, [])))],
      ['with other parameters', padded(derOf(digestInfo(alg, undefined, [{ tag: 0x04, value: Buffer.from([255]) }])))],
      ['that names SHA-1', padded(derOf(digestInfo(alg, '2b0e03021a')))],
      ['that names MD5', padded(derOf(digestInfo(alg, '2a864886f70d0205')))],
      ['that names no hash', padded(digest(alg))],
      ['with garbage behind the hash', padded(info, { length: 100 })],
      ['with eight bytes of padding', padded(info, { length: 8 })],
      ['with seven bytes of padding', padded(info, { length: 7 })],
      ['with no padding', padded(info, { length: 0 })],
      ['of block type 2', padded(info, { type: 2 })],
      ['of block type 0', padded(info, { type: 0, fill: 0 })],
      ['filled with something else', padded(info, { fill: 0xfe })],
      ['with another byte in the padding', changed(good, 100, 0xfe)],
      ['with a zero in the padding', changed(good, 100, 0)],
      ['without the zero behind the padding', changed(good, 256 - info.length - 1, 0xff)],
      ['that begins with another byte', changed(good, 0, 1)],
    ];
    return judge(alg, [
      ['as it must be', signed(good), 'accepted'],
      ...blocks.map(([name, block]): Vector => [name, signed(block), 'verify']),
      ['as PSS', () => signBytes(textOf(alg), alg.replace('RS', 'PS'), key), 'verify'],
    ]);
  });

  it('has one spelling: the modulus more is another number', () => {
    const modulus = number(Buffer.from(String(key.publicJwk.n), 'base64url'));
    const more = number(signBytes(textOf(alg), alg, key)) + modulus;
    const length = more >= 1n << 2048n ? 257 : 256;
    return judge(alg, [
      ['s + n', () => bytesOf(more, length), 'verify'],
      ['n', () => bytesOf(modulus, 256), 'verify'],
      ['n - 1', () => bytesOf(modulus - 1n, 256), 'verify'],
    ]);
  });
});

it('the hash and its name are written in one way: no lax reading of the DER lets a signature through', async () => {
  const variants = derVariants(digestInfo('RS256'));
  expect(variants.length).toBeGreaterThan(150);
  await judge(
    'RS256',
    variants.map(([name, bytes]): Vector => [name, signed(padded(bytes)), 'verify']),
  );
});

describe('a signature that needs no private key (Bleichenbacher 2006) is refused with its key', () => {
  const under = (e: string, signature: Uint8Array): Promise<string> => {
    const weak = { ...key.publicJwk, e: Buffer.from(e, 'hex').toString('base64url') };
    const token = `${textOf('RS256')}.${Buffer.from(signature).toString('base64url')}`;
    return outcome(token, { jwks: { keys: [weak] }, rules });
  };

  it('the cube root of a block with room behind the hash, under exponent 3', async () => {
    const start = padded(derOf(digestInfo('RS256')), { length: 8 });
    const root = cubeRoot(number(start)) + 1n;
    const prefix = start.subarray(0, 8 + 3 + 51);
    expect(bytesOf(root ** 3n, 256).subarray(0, prefix.length)).toEqual(prefix);
    expect(await under('03', bytesOf(root, 256))).toBe('key_exponent');
  });

  it('the block itself, under exponent 1', async () => {
    expect(await under('01', padded(derOf(digestInfo('RS256'))))).toBe('key_exponent');
  });

  /** The greatest number whose cube is not above this one. */
  function cubeRoot(value: bigint): bigint {
    let root = 0n;
    for (let bit = 1n << 683n; bit > 0n; bit >>= 1n) if ((root | bit) ** 3n <= value) root |= bit;
    return root;
  }
});
