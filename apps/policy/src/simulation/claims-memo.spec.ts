import fc from 'fast-check';
import type { Claims } from '@countersign/policy-engine';
import { ClaimsMemo } from './claims-memo';

const NAMES = ['a', 'b', 'c', 'd', 'toString', '__proto__'];
const value = fc.oneof(
  fc.constantFrom<unknown>('', 'x', 'y', '1', 'true', '[]', 'null', 1, 0, true, false, null, [], {}, ['x'], [1]),
  fc.record({ x: fc.constantFrom('x', 1, null) }, { requiredKeys: [] }),
);
/** As claims come: from JSON. */
const claims = fc
  .array(fc.tuple(fc.constantFrom(...NAMES), value), { maxLength: 6 })
  .map(
    (members) =>
      JSON.parse(`{${members.map(([name, item]) => `"${name}":${JSON.stringify(item)}`).join(',')}}`) as Claims,
  );

/** A function that reads claim after claim, in an order that depends on what it finds. */
type Tree = { name: string; read: 'get' | 'own' | 'in'; when: unknown; then: Tree; otherwise: Tree } | string;
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.string({ maxLength: 3 }),
    fc.record({
      name: fc.constantFrom(...NAMES),
      read: fc.constantFrom<'get' | 'own' | 'in'>('get', 'own', 'in'),
      when: value,
      then: tie('tree'),
      otherwise: tie('tree'),
    }),
  ),
}));

function walk(node: Tree, of: Claims): string {
  if (typeof node === 'string') return node;
  const { name, read, when } = node;
  const found = read === 'own' ? Object.hasOwn(of, name) : read === 'in' ? name in of : undefined;
  const holds = found ?? JSON.stringify(of[name]) === JSON.stringify(when);
  return walk(holds ? node.then : node.otherwise, of);
}

it('says what the function says, whatever it reads and in which order', () => {
  const property = fc.property(
    tree,
    fc.array(claims, { minLength: 1, maxLength: 30 }),
    fc.nat(4),
    (node, all, most) => {
      const memo = new ClaimsMemo<string>(most);
      for (const one of [...all, ...all]) {
        expect(memo.resultOf('', one, (watched) => walk(node, watched))).toBe(walk(node, one));
      }
    },
  );
  fc.assert(property, { numRuns: 300, seed: 20 });
});

describe('of the function it calls', () => {
  let calls: Claims[];
  const ask = (memo: ClaimsMemo<string>, one: Claims, key = ''): string =>
    memo.resultOf(key, one, (watched) => {
      calls.push(one);
      return `${String(watched['a'])}${watched['a'] === 'x' ? String(watched['b']) : ''}`;
    });

  beforeEach(() => void (calls = []));

  it('asks once for claims that agree in what it reads', () => {
    const memo = new ClaimsMemo<string>();
    expect(
      [
        { a: 'x', b: 1 },
        { a: 'x', b: 1, jti: 1 },
        { jti: 2, b: 1, a: 'x' },
      ].map((of) => ask(memo, of)),
    ).toEqual(Array(3).fill('x1'));
    expect(
      [
        { a: 'y', b: 1 },
        { a: 'y', b: 2 },
      ].map((of) => ask(memo, of)),
    ).toEqual(['y', 'y']);
    expect(calls).toHaveLength(2);
  });

  it('asks again for another key, and where one claim that was read differs', () => {
    const memo = new ClaimsMemo<string>();
    ask(memo, { a: 'x', b: 1 });
    for (const one of [{ a: 'x', b: '1' }, { a: 'x' }, { a: 'x', b: null }]) ask(memo, one);
    ask(memo, { a: 'x', b: 1 }, 'other');
    expect(calls).toHaveLength(5);
  });

  it('asks each time when it looks at all of the claims, and beyond its bound', () => {
    const all = new ClaimsMemo<number>();
    const count = (of: Claims): number => all.resultOf('', of, (watched) => Object.keys(watched).length);
    expect([count({ a: 1 }), count({ a: 1, b: 2 }), count({})]).toEqual([1, 2, 0]);
    const bounded = new ClaimsMemo<string>(1);
    for (const a of ['1', '2', '1', '2']) ask(bounded, { a });
    expect(calls).toHaveLength(3);
  });
});
