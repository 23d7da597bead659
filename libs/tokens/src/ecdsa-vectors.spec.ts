import { createHash, createPrivateKey, sign } from 'node:crypto';
import { add, curves, inverse, modulo, multiply, Point, pointFrom } from './curve-points.fixture';
import { bytesOf, hashOf, judgeUnder, number, textOf, Vector } from './signature-vectors.fixture';
import { KeyPair, newKey, signBytes } from './tokens.fixture';

type Change = (r: bigint, s: bigint) => [bigint, bigint];

describe.each(['ES256', 'ES384', 'ES512'] as const)('%s: r and s', (alg) => {
  const curve = curves[alg];
  const { order: n, field: p, size, generator } = curve;

  let key: KeyPair;

  beforeAll(async () => void (key = await newKey('k1', alg)));

  const joined = (r: bigint, s: bigint): Buffer =>
    Buffer.concat([r, s].map((value) => bytesOf(value % (1n << BigInt(8 * size)), size)));

  const changed = (change: Change) => (): Uint8Array => {
    const bytes = signBytes(textOf(alg), alg, key);
    return joined(...change(number(bytes.subarray(0, size)), number(bytes.subarray(size))));
  };

  it('are numbers between 1 and n - 1, in this order and form', () => {
    const all = (1n << BigInt(8 * size)) - 1n;
    const special = { zero: 0n, one: 1n, 'n - 1': n - 1n, n, 'n + 1': n + 1n, p, 'p + 1': p + 1n, 'all bits': all };
    const pairs = Object.entries(special).flatMap(([left, r]) =>
      Object.entries(special).map(([right, s]): Vector => [`${left}, ${right}`, () => joined(r, s), 'verify']),
    );
    const inDer = (): Uint8Array =>
      sign(hashOf(alg), Buffer.from(textOf(alg)), createPrivateKey({ key: key.privateJwk, format: 'jwk' }));
    return judgeUnder(key, alg, [
      ...pairs,
      ['s of zero', changed((r) => [r, 0n]), 'verify'],
      ['r of zero', changed((_, s) => [0n, s]), 'verify'],
      ['s and r', changed((r, s) => [s, r]), 'verify'],
      ['r negated', changed((r, s) => [n - r, s]), 'verify'],
      ['s inverted', changed((r, s) => [r, inverse(s, n)]), 'verify'],
      ['in DER', inDer, 'verify'],
      // ECDSA itself knows no difference; that is why a use is not remembered by the text of the signature.
      ['s negated', changed((r, s) => [r, n - s]), 'accepted'],
    ]);
  });

  it('have one length: what is longer is not cut to it', () => {
    const padded = (before: number, behind: number) => (): Uint8Array => {
      const bytes = signBytes(textOf(alg), alg, key);
      const halves = [bytes.subarray(0, size), bytes.subarray(size)];
      return Buffer.concat(halves.flatMap((half) => [Buffer.alloc(before), half, Buffer.alloc(behind)]));
    };
    return judgeUnder(key, alg, [
      ['a zero before each', padded(1, 0), 'verify'],
      ['a zero behind each', padded(0, 1), 'verify'],
      ['hundreds of zeros before each', padded(300, 0), 'verify'],
      ['2^k more than r', () => Buffer.concat([Buffer.from([1]), changed((r, s) => [r, s])()]), 'verify'],
    ]);
  });

  describe('under a key that is made for the signature', () => {
    const hash = createHash(hashOf(alg) ?? '')
      .update(textOf(alg))
      .digest();
    const z = number(hash);

    const asKey = ({ x, y }: Point): Pick<KeyPair, 'publicJwk'> => {
      const [crv, hex] = [
        `P-${p.toString(2).length}`,
        [x, y].map((value) => bytesOf(value, size).toString('base64url')),
      ];
      return { publicJwk: { kty: 'EC', crv, kid: 'k1', alg, x: String(hex[0]), y: String(hex[1]) } };
    };

    /** The key under which r, s is a signature whose point is this one: Q = (s R - z G) / r. */
    function keyFor(point: Point, s: bigint): Pick<KeyPair, 'publicJwk'> {
      const r = modulo(point.x, n);
      const difference = add(curve, multiply(curve, s, point), multiply(curve, -z, generator));
      return asKey(multiply(curve, inverse(r, n), difference as Point) as Point);
    }

    const judge = (made: Pick<KeyPair, 'publicJwk'>, vectors: [string, bigint, bigint, Vector[2]][]): Promise<void> =>
      judgeUnder(
        made,
        alg,
        vectors.map(([name, r, s, wanted]) => [name, () => joined(r, s), wanted]),
      );

    it('an x-coordinate beyond n counts modulo n, and only that is its spelling', async () => {
      const point = pointFrom(curve, n + 1n);
      const s = n / 3n;
      await judge(keyFor(point, s), [
        ['r', point.x - n, s, 'accepted'],
        ['r + n', point.x, s, 'verify'],
        ['r and s + n', point.x - n, s + n, 'verify'],
        ['-r', 2n * n - point.x, s, 'verify'],
      ]);
    });

    it.each<[string, bigint]>([
      ['1', 1n],
      ['n - 1', n - 1n],
    ])('the smallest r is as good as any, with an s of %s', async (_, s) => {
      const point = pointFrom(curve, 1n);
      await judge(keyFor(point, s), [
        ['as it is', point.x, s, 'accepted'],
        ['r one more', point.x + 1n, s, 'verify'],
        ['s one more', point.x, modulo(s + 1n, n), 'verify'],
      ]);
    });

    it('both halves of the sum may be one point, and may not cancel each other', async () => {
      const [t, half] = [5n, multiply(curve, 5n, generator) as Point];
      const whole = add(curve, half, half) as Point;
      const r = modulo(whole.x, n);
      const s = z * inverse(t, n);
      const twice = asKey(multiply(curve, z * inverse(r, n), generator) as Point);
      await judge(twice, [['u1 G = u2 Q', r, modulo(s, n), 'accepted']]);
      const opposite = asKey(multiply(curve, -z * inverse(r, n), generator) as Point);
      await judge(opposite, [
        ['u1 G = -u2 Q', r, modulo(s, n), 'verify'],
        ['the same with another s', r, 1n, 'verify'],
      ]);
    });

    it('the generator and its opposite are keys, and nobody else signs for them', async () => {
      const made = { 1: generator, [-1]: { x: generator.x, y: p - generator.y } };
      for (const [d, point] of Object.entries(made)) {
        const r = modulo((multiply(curve, 7n, generator) as Point).x, n);
        const s = modulo(inverse(7n, n) * (z + r * BigInt(d)), n);
        await judge(asKey(point), [
          ['its own', r, s, 'accepted'],
          ['of its opposite', r, modulo(inverse(7n, n) * (z - r * BigInt(d)), n), 'verify'],
          ['its x-coordinate', modulo(generator.x, n), 1n, 'verify'],
        ]);
      }
    });
  });
});
