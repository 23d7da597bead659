import { isWithin, parseAddress, parseRange } from './addresses';

test.each([
  '010.0.0.1',
  '0x7f.0.0.1',
  '127.1',
  '2130706433',
  '1.2.3.4:80',
  'fe80::1%eth0',
  '::1/128',
  '',
  'localhost',
  '256.0.0.1',
])('"%s" is no address', (text) => {
  expect(parseAddress(text)).toBeNull();
});

test.each([
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/08',
  '10.0.0.0/-1',
  '::/129',
  '::ffff:10.0.0.0/90',
  '10.0.0.0/8/8',
  'x/8',
])('"%s" is no range', (text) => {
  expect(parseRange(text)).toBeNull();
});

test.each<[string, string, boolean]>([
  ['10.1.2.3', '10.0.0.0/8', true],
  ['11.1.2.3', '10.0.0.0/8', false],
  ['10.1.2.3', '10.9.9.9/8', true],
  ['10.1.2.3', '10.1.2.3', true],
  ['::ffff:10.1.2.3', '10.0.0.0/8', true],
  ['10.1.2.3', '::ffff:10.0.0.0/104', true],
  ['2001:db8::1', '2001:db8::/32', true],
  ['2001:db9::1', '2001:db8::/32', false],
  ['10.1.2.3', '::/0', false],
  ['::1', '0.0.0.0/0', false],
])('%s within %s: %s', (address, range, expected) => {
  const parsed = parseRange(range);
  expect(parsed && isWithin(address, [parsed])).toBe(expected);
});
