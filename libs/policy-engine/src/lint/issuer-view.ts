import type { JwtIssuerDocument, Platform } from '../documents';

/**
 * For whom an issuer signs: `shared` for everybody who has an account there, `organisation` for the tenant that its
 * URL names, `own` for those who run it.
 */
export type Hosting = 'shared' | 'organisation' | 'own';

/** An issuer that a role pins, known by a document or by its URL alone. */
export interface IssuerView {
  iss: string;
  platform: Platform;
  hosting: Hosting;
  /** A development issuer that stands in for the platform's own: the only stranger is whoever started it. */
  isStandIn: boolean;
  document: JwtIssuerDocument | null;
  /** Place in the role's list. */
  index: number;
}

const hosted: readonly (readonly [RegExp, Platform, Hosting])[] = [
  [/^https:\/\/token\.actions\.githubusercontent\.com$/, 'github', 'shared'],
  [/^https:\/\/token\.actions\.githubusercontent\.com\//, 'github', 'organisation'],
  [/^https:\/\/gitlab\.com$/, 'gitlab', 'shared'],
  [/^https:\/\/agent\.buildkite\.com$/, 'buildkite', 'shared'],
  [/^https:\/\/app(\.eu)?\.terraform\.io$/, 'terraform-cloud', 'shared'],
  [/^(https:\/\/)?accounts\.google\.com$/, 'google', 'shared'],
  [/^https:\/\/oidc\.circleci\.com(\/|$)/, 'circleci', 'organisation'],
  [/^https:\/\/api\.bitbucket\.org\//, 'bitbucket', 'organisation'],
  [/^https:\/\/vstoken\.dev\.azure\.com\//, 'azure-devops', 'organisation'],
  [
    /^https:\/\/(login\.microsoftonline\.(com|us)|login\.partner\.microsoftonline\.cn|sts\.windows\.net)\/(common|organizations|consumers)(\/|$)/i,
    'entra',
    'shared',
  ],
];

const perOrganisation: readonly Platform[] = ['circleci', 'bitbucket', 'azure-devops'];
const loopback = /^https?:\/\/(127\.\d+\.\d+\.\d+|\[::1\]|localhost)(:\d+)?(\/|$)/;
const sharedPlatforms: readonly Platform[] = ['github', 'gitlab', 'buildkite', 'terraform-cloud', 'google'];

/** What is known about an `iss`. An issuer on loopback stands in for the platform's own, to rehearse production. */
export function viewIssuer(iss: string, document: JwtIssuerDocument | null, index: number): IssuerView {
  const known = hosted.find(([form]) => form.test(iss));
  const platform =
    document && document.spec.platform !== 'generic' ? document.spec.platform : (known?.[1] ?? 'generic');
  const hosting = known?.[2] ?? hostingOf(iss, platform);
  return { iss, platform, hosting, isStandIn: loopback.test(iss), document, index };
}

function hostingOf(iss: string, platform: Platform): Hosting {
  if (!loopback.test(iss)) return 'own';
  if (sharedPlatforms.includes(platform)) return 'shared';
  return perOrganisation.includes(platform) ? 'organisation' : 'own';
}
