import type { IssuerAlgorithm, SignOptions } from '@countersign/testing';
import type { Spec } from '../support/documents';

/** One token and what becomes of it: the reason in the trail, or null for a token of ours. */
export interface Probe {
  says: string;
  /** On top of the claims of a job; undefined removes one. Times are seconds from now. */
  claims?: Record<string, unknown>;
  times?: { iat?: number; nbf?: number; exp?: number };
  sign?: Omit<SignOptions, 'key'> & { alg?: IssuerAlgorithm };
  wants: string | null;
}

/** A JwtIssuer document, a Role for it, and what its tokens get. */
export interface FieldCase {
  field: string;
  /** The iss, if it is not the URL of the local issuer behind it. */
  iss?: string;
  algorithms?: IssuerAlgorithm[];
  /** `URL`, `JWKS` and `KEYS` stand for the local issuer's URL, its key set's, and the set itself. */
  spec?: Spec;
  /** On top of a Role that lets in every token of the issuer. */
  role?: Spec;
  probes: Probe[];
}

const tenant = '9122040d-6c67-4c5b-b112-36a304b66dad';
const AUD = 'https://sts.test';
const OTHER_AUD = 'https://other.test';
const event = (name: string) => ({ event_name: name });
const rerun = (value: unknown) => ({ 'oidc.circleci.com/ssh-rerun': value });
const mail = (email: unknown, verified?: unknown) => ({ email, email_verified: verified });
const mailRole = (iss: string): Spec => ({
  condition: { StringEqual: { 'jwt:iss': [iss] }, StringLike: { 'jwt:email': ['*@example.com'] } },
});

export const FIELD_CASES: FieldCase[] = [
  {
    field: 'defaults',
    probes: [
      { says: 'a plain token', wants: null },
      { says: 'CNF-05 an audience that another issuer accepts', claims: { aud: OTHER_AUD }, wants: 'aud' },
      { says: 'CNF-02 a further audience', claims: { aud: [OTHER_AUD, AUD] }, wants: null },
      { says: 'CNF-10 an access token', sign: { header: { typ: 'at+jwt' } }, wants: 'typ' },
      { says: 'no typ', sign: { header: { typ: undefined } }, wants: null },
      { says: 'no kid', sign: { kid: null }, wants: 'kid' },
      { says: 'an exp 45 s ago', times: { exp: -45 }, wants: null },
      { says: 'an exp 75 s ago', times: { exp: -75 }, wants: 'expired' },
      { says: 'an iat 30 s ahead', times: { iat: 30 }, wants: null },
      { says: 'an iat 90 s ahead', times: { iat: 90 }, wants: 'iat_future' },
      { says: 'an nbf 90 s ahead', times: { nbf: 90 }, wants: 'nbf' },
      { says: 'an iat 23 h ago', times: { iat: -82_800 }, wants: null },
      { says: 'an iat 25 h ago', times: { iat: -90_000, nbf: -90_000 }, wants: 'iat_old' },
    ],
  },
  {
    field: 'iss, byte for byte',
    iss: 'https://bytes.test/Path',
    spec: { issInternal: 'URL' },
    probes: [
      { says: 'the very iss', wants: null },
      { says: 'CNF-08 a slash more', claims: { iss: 'https://bytes.test/Path/' }, wants: 'issuer_unknown' },
      { says: 'CNF-08 small letters', claims: { iss: 'https://bytes.test/path' }, wants: 'issuer_unknown' },
    ],
  },
  {
    field: 'aud',
    spec: { aud: ['first', OTHER_AUD] },
    probes: [
      { says: 'one of them', claims: { aud: 'first' }, wants: null },
      { says: 'the other', claims: { aud: [OTHER_AUD] }, wants: null },
      { says: 'one of another issuer', wants: 'aud' },
      { says: 'CNF-04 an almost equal one', claims: { aud: 'First' }, wants: 'aud' },
    ],
  },
  {
    field: 'jwksUri',
    iss: 'https://jwks-uri.test',
    spec: { jwksUri: 'JWKS' },
    probes: [{ says: 'a token', wants: null }],
  },
  {
    field: 'jwks',
    iss: 'urn:static-issuer',
    spec: { jwks: 'KEYS' },
    probes: [
      { says: 'a token signed with the key of the document', wants: null },
      { says: 'a kid that the document does not have', sign: { kid: 'later' }, wants: 'kid_unknown' },
    ],
  },
  {
    field: 'algorithms',
    algorithms: ['ES256', 'EdDSA'],
    spec: { algorithms: ['EdDSA'] },
    probes: [
      { says: 'one of them', sign: { alg: 'EdDSA' }, wants: null },
      { says: 'a published key outside the list', sign: { alg: 'ES256' }, wants: 'alg' },
    ],
  },
  {
    field: 'clockSkew 0s',
    spec: { clockSkew: '0s' },
    probes: [
      { says: 'an exp 2 s ago', times: { exp: -2 }, wants: 'expired' },
      { says: 'an iat a minute ahead', times: { iat: 60 }, wants: 'iat_future' },
      { says: 'an nbf a minute ahead', times: { nbf: 60 }, wants: 'nbf' },
    ],
  },
  {
    field: 'clockSkew 5m',
    spec: { clockSkew: '5m' },
    probes: [
      { says: 'an exp 4 min ago', times: { exp: -240 }, wants: null },
      { says: 'an exp 6 min ago', times: { exp: -360 }, wants: 'expired' },
    ],
  },
  {
    field: 'maxTokenAge',
    spec: { maxTokenAge: '5m', clockSkew: '0s' },
    probes: [
      { says: 'an iat 4 min ago', times: { iat: -240 }, wants: null },
      { says: 'an iat 6 min ago, however long it is valid', times: { iat: -360, exp: 86_400 * 365 }, wants: 'iat_old' },
      { says: 'a year of validity', times: { iat: -1, exp: 86_400 * 365 }, wants: null },
    ],
  },
  {
    field: 'typ',
    spec: { typ: ['at+jwt'] },
    probes: [
      { says: 'an access token', sign: { header: { typ: 'at+jwt' } }, wants: null },
      { says: 'the long form, other case', sign: { header: { typ: 'application/AT+JWT' } }, wants: null },
      { says: 'a plain JWT, which is not named', wants: 'typ' },
      { says: 'no typ, which is a JWT', sign: { header: { typ: undefined } }, wants: 'typ' },
    ],
  },
  {
    field: 'allowMissingKid',
    spec: { allowMissingKid: true },
    probes: [
      { says: 'no kid', sign: { kid: null }, wants: null },
      { says: 'a kid that nobody knows', sign: { kid: 'other' }, wants: 'kid_unknown' },
    ],
  },
  {
    field: 'allowMissingKid with two keys that fit',
    algorithms: ['ES256', 'ES256'],
    spec: { allowMissingKid: true },
    probes: [{ says: 'no kid', sign: { kid: null }, wants: 'kid_ambiguous' }],
  },
  {
    field: 'strictAudience',
    spec: { strictAudience: true, aud: [AUD, 'second'] },
    probes: [
      { says: 'ours alone', wants: null },
      { says: 'two of ours', claims: { aud: [AUD, 'second'] }, wants: null },
      { says: 'a further audience', claims: { aud: [AUD, OTHER_AUD] }, wants: 'aud' },
    ],
  },
  { field: 'disabled', spec: { disabled: true }, probes: [{ says: 'a token', wants: 'issuer_unknown' }] },
  {
    field: 'platform github, given',
    spec: { platform: 'github' },
    probes: [
      { says: 'a push', claims: event('push'), wants: null },
      { says: 'pull_request_target', claims: event('pull_request_target'), wants: 'event_not_allowed' },
      { says: 'workflow_run', claims: event('workflow_run'), wants: 'event_not_allowed' },
      { says: 'an event that is no text', claims: { event_name: ['push'] }, wants: 'event_not_allowed' },
    ],
  },
  {
    field: 'platform github, inferred from iss, and a Role that allows one event',
    iss: 'https://token.actions.githubusercontent.com',
    spec: { issInternal: 'URL' },
    role: { allowedEvents: ['workflow_run'] },
    probes: [
      { says: 'workflow_run', claims: event('workflow_run'), wants: null },
      { says: 'pull_request_target', claims: event('pull_request_target'), wants: 'event_not_allowed' },
    ],
  },
  {
    field: 'platform generic, which has no guards',
    spec: { platform: 'generic' },
    probes: [{ says: 'pull_request_target', claims: event('pull_request_target'), wants: null }],
  },
  {
    field: 'platform circleci, inferred from iss',
    iss: 'https://oidc.circleci.com/org/8c8f9a1e-6c2b-4b55-9d9b-0b6d6a6fcd11',
    spec: { issInternal: 'URL' },
    probes: [
      { says: 'no re-run', claims: rerun(false), wants: null },
      { says: 'a re-run with SSH', claims: rerun(true), wants: 'event_not_allowed' },
    ],
  },
  {
    field: 'platform circleci and a Role that allows re-runs',
    spec: { platform: 'circleci' },
    role: { allowedEvents: ['ssh-rerun'] },
    probes: [{ says: 'a re-run with SSH', claims: rerun(true), wants: null }],
  },
  {
    field: 'platform entra, inferred from iss (CNF-14)',
    iss: `https://login.microsoftonline.com/${tenant}/v2.0`,
    spec: { issInternal: 'URL' },
    probes: [
      { says: 'the tenant of the iss', claims: { tid: tenant }, wants: null },
      { says: 'another tenant', claims: { tid: tenant.replace('9', '8') }, wants: 'tid' },
      { says: 'no tenant', wants: 'tid' },
      { says: 'the tenant in a list', claims: { tid: [tenant] }, wants: 'tid' },
    ],
  },
  {
    field: 'platform keycloak, given (CNF-11)',
    spec: { platform: 'keycloak' },
    probes: [
      { says: 'an access token', claims: { typ: 'Bearer' }, wants: null },
      { says: 'a refresh token', claims: { typ: 'Refresh' }, wants: 'typ' },
    ],
  },
  {
    field: 'email (CNF-15)',
    iss: 'https://mail.test',
    spec: { issInternal: 'URL' },
    role: mailRole('https://mail.test'),
    probes: [
      { says: 'a verified address', claims: mail('a@example.com', true), wants: null },
      ...[false, 'true', 1, undefined].map((verified) => ({
        says: `email_verified ${JSON.stringify(verified) ?? 'absent'}`,
        claims: mail('a@example.com', verified),
        wants: 'no_matching_role',
      })),
      { says: 'two @', claims: mail('a@evil.com@example.com', true), wants: 'no_matching_role' },
      { says: 'a line break', claims: mail('a@evil.com\n@example.com', true), wants: 'no_matching_role' },
    ],
  },
];
