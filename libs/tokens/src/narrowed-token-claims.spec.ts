import { mayAct } from './may-act';
import { narrowedTokenClaims } from './narrowed-token-claims';
import type { AccessTokenClaims, VerifiedSubject } from './types';

const parent: AccessTokenClaims = {
  iss: 'https://sts.test',
  sub: 'github:repo:acme/web',
  aud: ['https://a.test', 'https://b.test'],
  exp: 2_000,
  iat: 1_000,
  nbf: 1_000,
  jti: 'p1',
  client_id: 'github',
  roles: ['r1', 'r2'],
  policy: ['p', 'q'],
  fed: { iss: 'https://a.test', sub: 'repo:acme/web', jti: null, claims: { run_id: '1' } },
  cnf: { jkt: 'thumb' },
};

const narrow = (changes: Partial<Parameters<typeof narrowedTokenClaims>[0]> = {}) =>
  narrowedTokenClaims({
    parent,
    roles: ['r1'],
    policies: ['p'],
    audience: null,
    authorizationDetails: null,
    scope: 'role:r1',
    jkt: 'thumb',
    now: 1_500,
    jti: 'c1',
    ...changes,
  });

describe('the claims of a narrowed token', () => {
  it('keep subject, key, origin and end of the parent, and name it', () => {
    expect(narrow()).toEqual({
      ok: true,
      expiresIn: 500,
      claims: {
        ...parent,
        iat: 1_500,
        nbf: 1_500,
        jti: 'c1',
        scope: 'role:r1',
        roles: ['r1'],
        policy: ['p'],
        parents: ['p1'],
      },
    });
  });

  it('hold nothing that the parent has not, whatever is passed in', () => {
    const result = narrow({ roles: ['r1', 'admin'], policies: ['p', 'root'] });
    expect(result).toMatchObject({ ok: true, claims: { roles: ['r1'], policy: ['p'] } });
  });

  it('have one of its audiences, or are refused', () => {
    expect(narrow({ audience: ['https://b.test'] })).toMatchObject({ ok: true, claims: { aud: 'https://b.test' } });
    expect(narrow({ audience: ['https://c.test'] })).toEqual({ ok: false, reason: 'target_not_allowed' });
  });

  it('name all that came before, and end at the third generation', () => {
    expect(narrow({ parent: { ...parent, parents: ['p0'] } })).toMatchObject({
      ok: true,
      claims: { parents: ['p0', 'p1'] },
    });
    expect(narrow({ parent: { ...parent, parents: ['p0', 'px'] } })).toEqual({ ok: false, reason: 'token_depth' });
  });

  it('bind a bearer token to the key that its holder proves', () => {
    const { cnf: _, ...bearer } = parent;
    expect(narrow({ parent: bearer, jkt: null })).toMatchObject({
      ok: true,
      claims: expect.not.objectContaining({ cnf: expect.anything() }),
    });
    expect(narrow({ parent: bearer, jkt: 'new' })).toMatchObject({ ok: true, claims: { cnf: { jkt: 'new' } } });
  });

  it('of a parent past its end last for nothing', () => {
    expect(narrow({ now: 2_001 })).toMatchObject({ ok: true, expiresIn: 0 });
  });
});

describe('an actor', () => {
  const subject = (may_act: unknown): VerifiedSubject =>
    ({ iss: 'https://a.test', sub: 'job', claims: { may_act } }) as unknown as VerifiedSubject;
  const actor = (iss: string, sub: string): VerifiedSubject => ({ iss, sub }) as VerifiedSubject;

  it.each([
    [{ sub: 'bot' }, 'https://a.test', true],
    [{ iss: 'https://b.test', sub: 'bot' }, 'https://b.test', true],
    [{ sub: 'bot' }, 'https://b.test', false],
    [{ iss: 'https://a.test', sub: 'bot' }, 'https://b.test', false],
    [{ iss: 'https://b.test', sub: 'other' }, 'https://b.test', false],
    [{ iss: 'https://b.test' }, 'https://b.test', false],
    [{ iss: ['https://b.test'], sub: 'bot' }, 'https://b.test', false],
    [{ iss: null, sub: 'bot' }, 'https://a.test', false],
    [undefined, 'https://a.test', false],
    ['bot', 'https://a.test', false],
    [[{ sub: 'bot' }], 'https://a.test', false],
  ])('named by %j and coming from %s may act: %s', (may_act, iss, expected) => {
    expect(mayAct(subject(may_act), actor(iss, 'bot'))).toBe(expected);
  });
});
