import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { platforms } from '../documents';
import { claimsOfPlatform } from './identifying-claims';

const text = readFileSync(join(__dirname, '../../../../docs/policy-tests.md'), 'utf8');

const listed = text.split('\n').flatMap((line) => {
  const [, platform = '', claims = ''] = line.split('|').map((cell) => cell.trim());
  const name = platform.replaceAll('`', '');
  return (platforms as readonly string[]).includes(name) ? [[name, claims]] : [];
});

const edited = platforms.flatMap((platform) => {
  const claims = claimsOfPlatform(platform, {}).identifying.map(({ claim }) => `\`${claim}\``);
  return claims.length > 0 ? [[platform, claims.join(', ')]] : [];
});

test('docs/policy-tests.md lists the claims that are edited, platform by platform, as they are', () => {
  expect(listed.toSorted()).toEqual(edited.toSorted());
  expect(listed.length).toBeGreaterThan(5);
});
