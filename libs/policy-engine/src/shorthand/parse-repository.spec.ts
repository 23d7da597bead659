import { parseRepository } from './parse-repository';

const read = (text: string): unknown => {
  const parsed = parseRepository(text);
  return parsed.ok ? parsed.repository : parsed.code;
};

const bare = { repositoryId: null, ownerId: null, ref: null, environment: null };
const web = { platform: 'github', path: 'acme/web', ...bare };
const edge = { platform: 'gitlab', path: 'group/sub/edge', ...bare };

describe('a repository principal reads as', () => {
  test.each<[string, object]>([
    ['github:acme/web', web],
    ['github:Acme/Web.js_2', { ...web, path: 'Acme/Web.js_2' }],
    ['github:octo_corp/.github', { ...web, path: 'octo_corp/.github' }],
    ['github:acme/web@main', { ...web, ref: 'refs/heads/main' }],
    ['github:acme/web@release/1.x', { ...web, ref: 'refs/heads/release/1.x' }],
    ['github:acme/web@feat@2', { ...web, ref: 'refs/heads/feat@2' }],
    ['github:acme/web@environment', { ...web, ref: 'refs/heads/environment' }],
    ['github:acme/web@refs/heads/main', { ...web, ref: 'refs/heads/main' }],
    ['github:acme/web@refs/heads/123', { ...web, ref: 'refs/heads/123' }],
    ['github:acme/web@refs/tags/v1.2', { ...web, ref: 'refs/tags/v1.2' }],
    ['github:acme/web@environment:prod', { ...web, environment: 'prod' }],
    ['github:acme/web@environment:EU: prod @ 50% / ü', { ...web, environment: 'EU: prod @ 50% / ü' }],
    ['github:acme/web@main@environment:prod', { ...web, ref: 'refs/heads/main', environment: 'prod' }],
    ['github:acme/web@a@environment:b@environment:c', { ...web, ref: 'refs/heads/a', environment: 'b@environment:c' }],
    ['github:acme@9/web@123', { ...web, ownerId: '9', repositoryId: '123' }],
    ['github:acme@9/web@123@main', { ...web, ownerId: '9', repositoryId: '123', ref: 'refs/heads/main' }],
    ['github:acme@9/web@123@environment:7', { ...web, ownerId: '9', repositoryId: '123', environment: '7' }],
    ['gitlab:group/sub/edge', edge],
    ['gitlab:group/sub/edge@feature/x', { ...edge, ref: 'refs/heads/feature/x' }],
    ['gitlab:group/sub@72/edge@20', { ...edge, ownerId: '72', repositoryId: '20' }],
    ['gitlab:group/sub@72/edge@20@main', { ...edge, ownerId: '72', repositoryId: '20', ref: 'refs/heads/main' }],
  ])('%s', (text, repository) => {
    expect(read(text)).toEqual(repository);
  });
});

describe('what could mean more than one repository, branch or environment is refused', () => {
  test.each([
    ['', 'invalid_principal'],
    ['acme/web', 'invalid_principal'],
    ['GitHub:acme/web', 'invalid_principal'],
    ['bitbucket:acme/web', 'invalid_principal'],
    ['repo:acme/web:ref:refs/heads/main', 'invalid_principal'],
    ['github:', 'invalid_principal'],
    ['github:acme', 'invalid_principal'],
    ['github:acme/', 'invalid_principal'],
    ['github:/web', 'invalid_principal'],
    ['github:acme/..', 'invalid_principal'],
    ['github:acme/web/x', 'invalid_principal'],
    ['github:acme/web ', 'invalid_principal'],
    ['github: acme/web', 'invalid_principal'],
    ['github:acme/web:ref', 'invalid_principal'],
    ['github:аcme/web', 'invalid_principal'],
    ['github:acme@9/web', 'invalid_principal'],
    ['github:acme@x/web@123', 'invalid_principal'],
    ['github:acme/web@', 'invalid_principal'],
    ['gitlab:edge', 'invalid_principal'],
    ['gitlab:group//edge', 'invalid_principal'],
    ['github:acme/*', 'wildcard_not_allowed'],
    ['github:acme*/web', 'wildcard_not_allowed'],
    ['github:acme/web@refs/heads/*', 'wildcard_not_allowed'],
    ['github:acme/web@environment:pro?', 'wildcard_not_allowed'],
    ['github:acme/web@123', 'ambiguous_ref'],
    ['github:acme/web@refs/pull/27/merge', 'invalid_ref'],
    ['github:acme/web@refs/heads/', 'invalid_ref'],
    ['github:acme/web@refs/remotes/origin/main', 'invalid_ref'],
    ['github:acme/web@a..b', 'invalid_ref'],
    ['github:acme/web@a b', 'invalid_ref'],
    ['github:acme/web@a:b', 'invalid_ref'],
    ['github:acme/web@main\n', 'invalid_ref'],
    ['github:acme/web@x@{0}', 'invalid_ref'],
    ['github:acme/web@.hidden', 'invalid_ref'],
    ['github:acme/web@main.lock', 'invalid_ref'],
    ['github:acme/web@environment:', 'invalid_environment'],
    ['github:acme/web@main@environment:', 'invalid_environment'],
    ['github:acme/web@environment:a\nb', 'invalid_environment'],
    ['github:acme/web@environment:${jwt:actor}', 'invalid_environment'],
    [`github:acme/web@${'x'.repeat(1_024)}`, 'too_long'],
  ])('%j is %s', (text, code) => {
    expect(read(text)).toBe(code);
  });
});
