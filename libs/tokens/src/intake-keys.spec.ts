import { generateKeyPairSync } from 'node:crypto';
import { intakeKeys, Jwk } from './index';
import { newKey } from './tokens.fixture';

let rsa: Jwk;
let ec: Jwk;
let ed: Jwk;
let p521: Jwk;
let rsaPrivate: Record<string, unknown>;

beforeAll(async () => {
  const pair = await newKey('r', 'RS256');
  rsa = pair.publicJwk;
  rsaPrivate = { ...pair.publicJwk, ...pair.privateJwk };
  ec = (await newKey('e', 'ES256')).publicJwk;
  ed = (await newKey('d', 'EdDSA')).publicJwk;
  p521 = (await newKey('p', 'ES512')).publicJwk;
});

const base64url = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');
const intake = (...keys: unknown[]) => intakeKeys({ keys });

it('takes every good key, without members that verification does not need', () => {
  const published = [{ ...rsa, x5c: ['MIIB'], x5t: 'x', use: 'sig' }, { ...ec, key_ops: ['verify'] }, ed];
  expect(intake(...published)).toEqual({
    keys: [{ ...rsa, use: 'sig' }, { ...ec, key_ops: ['verify'] }, ed],
    rejected: [],
  });
});

it.each([
  [null],
  [undefined],
  [1],
  ['x'],
  [[]],
  [{}],
  [{ keys: {} }],
  [{ keys: null }],
  [{ keys: [null, 1, 'x', []] }],
])('has no keys and throws nothing for %j', (jwks) => {
  expect(intakeKeys(jwks)).toEqual({ keys: [], rejected: [] });
});

it('takes of a good key only plain members, whatever else stands under their names', () => {
  const deep = JSON.parse('['.repeat(10_000) + ']'.repeat(10_000)) as unknown;
  const odd = { ...rsa, x: deep, crv: {}, key_ops: ['verify', deep] };
  expect(intake(odd)).toEqual({ keys: [rsa], rejected: [] });
});

it('ignores keys for other uses', () => {
  const others = [
    { ...rsa, use: 'enc' },
    { ...rsa, key_ops: ['wrapKey'] },
    { ...rsa, use: 7 },
    { ...rsa, key_ops: 'verify' },
  ];
  expect(intake(...others)).toEqual({ keys: [], rejected: [] });
});

it.each([
  ['a modulus of 1024 bits', () => ({ ...rsa, ...rsaOf(1024) }), 'key_size'],
  ['a modulus of 2047 bits', () => ({ ...rsa, n: base64url(`7f${'ff'.repeat(255)}`) }), 'key_size'],
  [
    '2048 bits by leading zeros',
    () => ({ ...rsa, n: base64url(`${'00'.repeat(128)}${'ff'.repeat(128)}`) }),
    'key_size',
  ],
  ['a huge modulus', () => ({ ...rsa, n: base64url('ff'.repeat(1200)) }), 'key_size'],
  ['an even modulus', () => ({ ...rsa, n: base64url(`${'ff'.repeat(255)}fe`) }), 'key_form'],
  ['exponent 1', () => ({ ...rsa, e: base64url('01') }), 'key_exponent'],
  ['exponent 3', () => ({ ...rsa, e: base64url('03') }), 'key_exponent'],
  ['an even exponent', () => ({ ...rsa, e: base64url('010000') }), 'key_exponent'],
  ['an exponent of 40 bits', () => ({ ...rsa, e: base64url('0100000001') }), 'key_exponent'],
  ['a modulus of the kind that ROCA factors', () => ({ ...rsa, n: rocaModulus() }), 'key_weak'],
  ['no modulus', () => ({ kty: 'RSA', kid: 'r', e: 'AQAB' }), 'key_form'],
  ['a modulus that is no base64url', () => ({ ...rsa, n: `${rsa.n}=` }), 'key_form'],
  ['a modulus that is a number', () => ({ ...rsa, n: 65537 }), 'key_form'],
  ['a private key', () => rsaPrivate, 'key_private'],
  ['a private member that is null', () => ({ ...rsa, d: null }), 'key_private'],
  ['a symmetric key', () => ({ kty: 'oct', kid: 'r', k: 'AAAA' }), 'key_symmetric'],
  ['a symmetric member', () => ({ ...rsa, k: 'AAAA' }), 'key_symmetric'],
  ['an unknown type', () => ({ ...rsa, kty: 'XYZ' }), 'key_type'],
  ['a type from the prototype', () => ({ ...rsa, kty: 'constructor' }), 'key_type'],
  ['an RSA key that declares HS256', () => ({ ...rsa, alg: 'HS256' }), 'key_alg'],
  ['an RSA key that declares ES256', () => ({ ...rsa, alg: 'ES256' }), 'key_alg'],
  ['a P-256 key that declares ES512', () => ({ ...ec, alg: 'ES512' }), 'key_alg'],
  ['a P-256 key that declares what nobody knows', () => ({ ...ec, alg: 'ES521' }), 'key_alg'],
  ['an EC key that calls itself RSA', () => ({ ...ec, kty: 'RSA' }), 'key_form'],
  ['an algorithm that is no string', () => ({ ...rsa, alg: 1 }), 'key_alg'],
  ['secp256k1', () => ({ ...ec, crv: 'secp256k1' }), 'key_curve'],
  ['a curve from the prototype', () => ({ ...ec, crv: 'toString' }), 'key_curve'],
  ['X25519', () => ({ ...ed, crv: 'X25519', alg: undefined }), 'key_curve'],
  ['a point off the curve', () => ({ ...ec, y: ec.x }), 'key_form'],
  ['a short coordinate', () => ({ ...ec, x: base64url('01'.repeat(31)) }), 'key_form'],
  ['a P-256 point called P-384', () => ({ ...ec, crv: 'P-384', alg: 'ES384' }), 'key_form'],
  ['a coordinate beyond the field', () => ({ ...p521, x: beyondField(String(p521.x)) }), 'key_form'],
  ['a coordinate in another spelling', () => ({ ...p521, x: respelled(String(p521.x)) }), 'key_form'],
  ['a point off the Ed25519 curve', () => ({ ...ed, x: base64url(`07${'00'.repeat(31)}`) }), 'key_form'],
  ['a kid that is a number', () => ({ ...rsa, kid: 7 }), 'kid'],
  ['a kid with a line end', () => ({ ...rsa, kid: 'a\n' }), 'kid'],
])('rejects %s', (_name, jwk, reason) => {
  const { keys, rejected } = intake(jwk(), ed);
  expect(rejected.map((one) => one.reason)).toEqual([reason]);
  expect(keys).toEqual([ed]);
});

describe('small-order Ed25519 points', () => {
  const p = 2n ** 255n - 19n;
  const orderEight = [
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  ];
  const littleEndian = (y: bigint): string =>
    Buffer.from(y.toString(16).padStart(64, '0'), 'hex').reverse().toString('hex');
  const points = [0n, 1n, p - 1n, p, p + 1n].map(littleEndian).concat(orderEight);
  const withSign = (hex: string): string => hex.slice(0, 62) + (parseInt(hex.slice(62), 16) | 0x80).toString(16);

  it.each([...points, ...points.map(withSign)])('rejects %s', (hex) => {
    const { rejected } = intake({ kty: 'OKP', crv: 'Ed25519', kid: 'so', x: base64url(hex) });
    expect(rejected).toEqual([{ kid: 'so', reason: 'key_small_order' }]);
  });

  it('the two listed points of order eight are that: doubled three times they give the neutral point', () => {
    for (const hex of orderEight) {
      const y = BigInt(`0x${Buffer.from(hex, 'hex').reverse().toString('hex')}`) & (2n ** 255n - 1n);
      expect([double, double, double].reduce((value, next) => next(value), y)).toBe(1n);
      expect([double, double].reduce((value, next) => next(value), y)).not.toBe(1n);
    }
  });

  it('rejects other coordinates beyond the field', () => {
    expect(intake({ ...ed, x: base64url(littleEndian(p + 2n)) }).rejected).toEqual([{ kid: 'd', reason: 'key_form' }]);
  });

  /** The y-coordinate of twice a point, from its own: the curve equation gives x². */
  function double(y: bigint): bigint {
    const mod = (value: bigint): bigint => ((value % p) + p) % p;
    const invert = (value: bigint): bigint => power(mod(value), p - 2n);
    const d = mod(-121665n * invert(121666n));
    const y2 = mod(y * y);
    const x2 = mod((y2 - 1n) * invert(d * y2 + 1n));
    return mod((y2 + x2) * invert(1n - d * x2 * y2));
  }

  function power(base: bigint, exponent: bigint): bigint {
    let [result, square, left] = [1n, base, exponent];
    for (; left > 0n; left >>= 1n) {
      if (left & 1n) result = (result * square) % p;
      square = (square * square) % p;
    }
    return result;
  }
});

describe('kids', () => {
  it('two different keys under one kid are both rejected', () => {
    expect(intake({ ...ec, kid: 'dup' }, { ...ed, kid: 'dup' }, rsa)).toEqual({
      keys: [rsa],
      rejected: [
        { kid: 'dup', reason: 'kid_ambiguous' },
        { kid: 'dup', reason: 'kid_ambiguous' },
      ],
    });
  });

  it('a key that is listed twice, or once more for encryption, is one key', () => {
    expect(intake(rsa, { ...rsa }, { ...rsa, use: 'enc' })).toEqual({ keys: [rsa], rejected: [] });
  });

  it('a bad twin does not take the good key with it', () => {
    const { keys, rejected } = intake(rsa, { ...rsa, e: base64url('03') });
    expect(keys).toEqual([rsa]);
    expect(rejected).toEqual([{ kid: 'r', reason: 'key_exponent' }]);
  });

  it('keys without kid are kept apart', () => {
    const { kid: _one, ...first } = rsa;
    const { kid: _other, ...second } = ec;
    expect(intake(first, second).keys).toEqual([first, second]);
  });
});

/** The same point of P-521 under another number: 66 bytes have room for one more field prime. */
function beyondField(x: string): string {
  const value = BigInt(`0x${Buffer.from(x, 'base64url').toString('hex')}`) + 2n ** 521n - 1n;
  return base64url(value.toString(16).padStart(132, '0'));
}

/** The same bytes: 66 of them leave nothing unused, one more character holds none. */
const respelled = (x: string): string => `${x}A`;

function rsaOf(modulusLength: number): Record<string, unknown> {
  return { ...generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' }) };
}

/** 2048 bits that are a power of 65537 modulo all the primes up to 701 at once, as those of that library were. */
function rocaModulus(): string {
  const numbers = Array.from({ length: 700 }, (_, i) => i + 2);
  const primes = numbers.filter((value) => numbers.every((other) => other >= value || value % other > 0));
  const product = primes.reduce((one, other) => one * BigInt(other), 1n);
  const power = Array.from({ length: 1_000 }).reduce<bigint>((value) => (value * 65_537n) % product, 1n);
  return base64url(((2n ** 2047n / product + 1n) * product + power).toString(16));
}
