import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { canonicalJson } from './canonical-json';

describe('canonical JSON', () => {
  it('is what the reference implementation of RFC 8785 writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
      }),
    );
  });

  it.each<[string, unknown, string]>([
    [
      'members sorted by UTF-16 code units',
      { '\u20ac': 1, '\r': 2, '\ud83d\ude00': 3, '1': 4, '\ufb33': 5 },
      '{"\\r":2,"1":4,"\u20ac":1,"\ud83d\ude00":3,"\ufb33":5}',
    ],
    [
      'numbers as ECMAScript writes them',
      [1e21, 1e-7, -0, 333333333.33333329, 4.5],
      '[1e+21,1e-7,0,333333333.3333333,4.5]',
    ],
    ['no white space', { b: [true, null], a: {} }, '{"a":{},"b":[true,null]}'],
  ])('%s', (_, value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  it.each([
    [undefined],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    ['\ud800'],
    [{ a: undefined }],
    [{ '\udc00': 1 }],
    [1n],
  ])('does not exist of %p', (value) => {
    expect(() => canonicalJson(value)).toThrow(RangeError);
  });
});
