import { Refusal } from './refusal';
import { parseTokenRequest } from './token-request';

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const FORM = 'application/x-www-form-urlencoded';
const good: [string, string][] = [
  ['grant_type', GRANT],
  ['subject_token', 'h.c.s'],
  ['subject_token_type', JWT],
];

const BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const DETAILS = 'invalid_authorization_details';
const permission = '"type":"countersign_permission","actions":["A:B"],"resources":["*"]';
const client: [string, string][] = [
  ['grant_type', 'client_credentials'],
  ['client_assertion', 'h.c.s'],
  ['client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
];

const body = (...pairs: [string, string][]): string => new URLSearchParams(pairs).toString();
const parse = (form: string, options: { query?: string; contentType?: string; lenientScope?: boolean } = {}) =>
  parseTokenRequest({ contentType: FORM, query: '', lenientScope: false, ...options, body: form });

function refusalOf(work: () => unknown): Refusal {
  try {
    work();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('a token request', () => {
  it('is read with its repeated audiences and resources and its narrowing scope', () => {
    const request = parse(
      body(
        ...good,
        ['audience', 'a'],
        ['audience', 'b'],
        ['resource', 'https://r.test/x'],
        ['scope', 'role:one policy:two'],
      ),
      { contentType: 'application/x-www-form-urlencoded; charset=UTF-8' },
    );
    expect(request).toMatchObject({
      subjectToken: 'h.c.s',
      audience: ['a', 'b'],
      resource: ['https://r.test/x'],
      roles: ['one'],
      policies: ['two'],
      issuedTokenType: 'urn:ietf:params:oauth:token-type:access_token',
    });
  });

  it('of the other grants has its credential in the parameter of the grant', () => {
    expect(parse(body(['grant_type', BEARER], ['assertion', 'a.b.c']))).toMatchObject({
      grant: 'jwt-bearer',
      subjectToken: 'a.b.c',
      issuedTokenType: null,
    });
    expect(parse(body(...client, ['client_id', 'deployer']))).toMatchObject({
      grant: 'client-credentials',
      subjectToken: 'h.c.s',
      roles: ['deployer'],
    });
  });

  it('may carry an actor and permissions to be limited to', () => {
    const form = body(
      ...good,
      ['actor_token', 'x'],
      ['actor_token_type', JWT],
      ['authorization_details', `[{${permission}}]`],
    );
    expect(parse(form)).toMatchObject({ actorToken: 'x', permissions: [{ actions: ['A:B'], resources: ['*'] }] });
  });

  it('ignores parameters that it does not know, a client_id among them', () => {
    expect(parse(body(...good, ['client_id', 'x'], ['unheard_of', 'y'])).roles).toBeNull();
  });

  it.each([
    ['no grant_type', body(['subject_token', 'x'], ['subject_token_type', JWT]), 'invalid_request'],
    ['an unknown grant_type', body(['grant_type', 'password']), 'unsupported_grant_type'],
    ['a grant_type named like a member of every object', body(['grant_type', 'constructor']), 'unsupported_grant_type'],
    ['no subject_token', body(['grant_type', GRANT], ['subject_token_type', JWT]), 'invalid_request'],
    [
      'an empty subject_token',
      body(['grant_type', GRANT], ['subject_token', ''], ['subject_token_type', JWT]),
      'invalid_request',
    ],
    ['no subject_token_type', body(['grant_type', GRANT], ['subject_token', 'x']), 'invalid_request'],
    [
      'a saml2 subject_token_type',
      body(...good.slice(0, 2), ['subject_token_type', JWT.replace('jwt', 'saml2')]),
      'invalid_request',
    ],
    [
      'a subject_token_type in another case',
      body(...good.slice(0, 2), ['subject_token_type', JWT.toUpperCase()]),
      'invalid_request',
    ],
    ['subject_token twice', body(...good, ['subject_token', 'y']), 'invalid_request'],
    ['scope twice', body(...good, ['scope', 'role:a'], ['scope', 'role:b']), 'invalid_request'],
    ['subject_token as a list', body(...good, ['subject_token[]', 'y']), 'invalid_request'],
    ['subject_token as an object', body(...good, ['subject_token[a]', 'y']), 'invalid_request'],
    [
      'a thousand parameters',
      body(...good, ...Array.from({ length: 1_000 }, (_, i): [string, string] => [`p${i}`, ''])),
      'invalid_request',
    ],
    ['an actor token without its type', body(...good, ['actor_token', 'x']), 'invalid_request'],
    ['the type of an actor token without it', body(...good, ['actor_token_type', JWT]), 'invalid_request'],
    ['authorization_details that are no JSON', body(...good, ['authorization_details', '[']), DETAILS],
    ['authorization_details that are no list', body(...good, ['authorization_details', '{}']), DETAILS],
    ['authorization_details of another type', body(...good, ['authorization_details', '[{"type":"x"}]']), DETAILS],
    [
      'a repeated member in authorization_details',
      body(...good, ['authorization_details', `[{"type":"x",${permission}}]`]),
      DETAILS,
    ],
    ['jwt-bearer without assertion', body(['grant_type', BEARER]), 'invalid_request'],
    ['client_credentials without client_assertion', body(['grant_type', 'client_credentials']), 'invalid_request'],
    [
      'client_credentials with another kind of assertion',
      body(['grant_type', 'client_credentials'], ['client_assertion', 'x'], ['client_assertion_type', 'saml']),
      'invalid_request',
    ],
    ['client_credentials for a client_id that is no name', body(...client, ['client_id', '../x']), 'invalid_client'],
    [
      'client_credentials for another Role than client_id',
      body(...client, ['client_id', 'a'], ['scope', 'role:b']),
      'invalid_scope',
    ],
    ['a relative resource', body(...good, ['resource', '/x']), 'invalid_target'],
    ['a resource with a fragment', body(...good, ['resource', 'https://r.test/#x']), 'invalid_target'],
    ['an unknown scope', body(...good, ['scope', 'Function:Admin']), 'invalid_scope'],
    ['a role that is no name', body(...good, ['scope', 'role:../admin']), 'invalid_scope'],
    [
      'too many roles',
      body(...good, ['scope', Array.from({ length: 51 }, (_, i) => `role:r${i}`).join(' ')]),
      'invalid_scope',
    ],
    [
      'another requested_token_type',
      body(...good, ['requested_token_type', 'urn:ietf:params:oauth:token-type:refresh_token']),
      'invalid_request',
    ],
  ])('with %s is refused', (_, form, code) => {
    const grant = form.includes('client_credentials') ? 'client-credentials' : 'token-exchange';
    expect(refusalOf(() => parse(form)).codeFor(grant)).toBe(code);
  });

  it.each(['subject_token', 'assertion', 'client_assertion', 'actor_token', 'client_secret'])(
    'with %s in the query string is refused and does not echo it',
    (name) => {
      const refusal = refusalOf(() => parse(body(...good), { query: `${name}=s3cret` }));
      expect(refusal.codeFor('token-exchange')).toBe('invalid_request');
      expect(JSON.stringify([refusal.description, refusal.record])).not.toContain('s3cret');
    },
  );

  it.each(['application/json', 'multipart/form-data', undefined])('as %s is refused', (contentType) => {
    const raw = { contentType, query: '', lenientScope: false, body: body(...good) };
    expect(refusalOf(() => parseTokenRequest(raw)).codeFor('token-exchange')).toBe('invalid_request');
  });

  it('on the OpenFaaS path ignores scopes it does not know and keeps those it does', () => {
    expect(parse(body(...good, ['scope', 'openid role:a']), { lenientScope: true }).roles).toEqual(['a']);
  });
});
