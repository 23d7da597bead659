import { isOlderThan } from './versions';

it.each([
  ['2.9.10', '2.10.0', true],
  ['2.10.0', '2.10.0', false],
  ['2.10', '2.10.1', false],
  ['2.12.1', '2.10.0', false],
  ['1.99.0', '2.0.0', true],
  ['3.0.0', '2.10.9', false],
  ['2.9.10-beta.1', '2.9.11', true],
  ['', '2.10.0', false],
  ['unknown', '7.0.0', false],
])('version %j is older than %s: %p', (version, floor, isOlder) => {
  expect(isOlderThan(version, floor)).toBe(isOlder);
});
