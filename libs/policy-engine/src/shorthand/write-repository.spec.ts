import { parseRepository } from './parse-repository';
import { writeRepository } from './write-repository';

it.each([
  'github:acme/web',
  'github:acme@9/web@123',
  'github:acme/web@refs/heads/main',
  'github:acme/web@environment:prod',
  'github:acme@9/web@123@refs/tags/v1@environment:a@b c',
  'gitlab:group/sub/project@refs/heads/main',
])('%s is read and written the same', (text) => {
  const parsed = parseRepository(text);
  expect(parsed.ok && writeRepository(parsed.repository)).toBe(text);
});
