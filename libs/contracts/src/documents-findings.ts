import { guardedPlatforms, type CountersignDocument, type JwtIssuerDocument } from '@countersign/policy-engine';
import { inferPlatform } from './documents-platform';
import type { Finding } from './payloads';

/** A valid document, and as it was written. */
interface Given {
  document: CountersignDocument;
  raw: unknown;
}

/** What is allowed and yet likely a mistake. Whatever a document by itself says; nothing is fetched. */
export function documentFindings({ document, raw }: Given): Finding[] {
  if (document.kind !== 'JwtIssuer') return [];
  return [...genericAudiences(document, raw), ...otherPlatform(document), ...unusedSources(document)];
}

/** Audiences that platforms put in by default, or that jobs ask for on their way to somebody else. */
const genericForms: readonly RegExp[] = [
  /^sts\.amazonaws\.com(\.cn)?$/,
  /^(https:\/\/)?kubernetes(\.default(\.svc(\.cluster\.local)?)?)?\/?$/,
  /^api:\/\/AzureADTokenExchange(USGov|China)?$/i,
  /^(https:\/\/)?iam\.googleapis\.com\//,
  /^\/\/iam\.googleapis\.com\//,
  /^(32555940559\.apps\.googleusercontent\.com|aws\.workload\.identity|azure\.workload\.identity)$/,
  /^00000003-0000-0000-c000-000000000000$/,
  /^https:\/\/(graph\.microsoft\.com|management\.azure\.com|management\.core\.windows\.net)\/?$/,
  /^(sigstore|account|vault|pypi|testpypi|crates\.io|rubygems\.org|npm:registry\.npmjs\.org)$/,
  /^https:\/\/(github\.com(\/[^/]+)?|gitlab\.com|accounts\.google\.com|(test\.)?pypi\.org|codecov\.io)\/?$/,
];

const isGeneric = (audience: string, iss: string): boolean =>
  audience === iss || genericForms.some((form) => form.test(audience));

/** CNF-06: whoever gets a token for another service could exchange it here. */
function genericAudiences({ name, spec }: JwtIssuerDocument, raw: unknown): Finding[] {
  const isList = Array.isArray((raw as { spec?: { aud?: unknown } } | null)?.spec?.aud);
  return spec.aud.flatMap((audience, index) =>
    isGeneric(audience, spec.iss)
      ? [
          warning(name, {
            rule: 'generic_audience',
            path: isList ? `/spec/aud/${index}` : '/spec/aud',
            message: `tokens with the audience "${audience}" are made for other services, which could exchange them here`,
            fix: 'Let jobs ask for an audience of this service alone, such as its URL, and accept only that.',
          }),
        ]
      : [],
  );
}

/** A platform that is none of the issuer's switches off the guards of the one that it is. */
function otherPlatform({ name, spec }: JwtIssuerDocument): Finding[] {
  const inferred = inferPlatform(spec.iss);
  if (inferred === spec.platform || !guardedPlatforms.includes(inferred)) return [];
  return [
    warning(name, {
      rule: 'platform_mismatch',
      path: '/spec/platform',
      message: `the iss is one of ${inferred}, whose guards do not apply with the platform ${spec.platform}`,
      fix: `Leave platform out, or set it to ${inferred}.`,
    }),
  ];
}

const sources = ['jwks', 'jwksUri', 'issInternal'] as const;

/** Keys come from one place: the first of these that is given. */
function unusedSources({ name, spec }: JwtIssuerDocument): Finding[] {
  const [used, ...unused] = sources.filter((field) => spec[field] !== null);
  const idle = spec.jwks !== null && spec.caCertificate !== null ? ['caCertificate'] : [];
  return [...unused, ...idle].map((field) =>
    warning(name, {
      rule: 'unused_field',
      path: `/spec/${field}`,
      message: `has no effect beside ${used ?? 'jwks'}, which says where the keys are`,
      fix: `Keep either ${field} or ${used ?? 'jwks'}.`,
    }),
  );
}

const warning = (name: string, rest: Pick<Finding, 'rule' | 'path' | 'message' | 'fix'>): Finding => ({
  severity: 'warning',
  resource: { kind: 'JwtIssuer', name },
  admits: [],
  ...rest,
});
