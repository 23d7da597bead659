import { compileSnapshot } from './compile-snapshot';
import type { CountersignDocument, Statement } from './documents';
import { roleSpec } from './documents.fixture';
import { narrowToken } from './narrow-token';
import { firstNotGranted } from './permissions';
import { permits } from './permits';

const statement = (effect: 'Allow' | 'Deny', action: string[], resource: string[]): Statement => ({
  sid: null,
  effect,
  action,
  resource,
  condition: null,
});

const policy = (name: string, ...statements: Statement[]): CountersignDocument => ({
  kind: 'Policy',
  name,
  spec: { statement: statements },
});

const role = (name: string, policies: string[], trustedIps: string[] = []): CountersignDocument => ({
  kind: 'Role',
  name,
  spec: roleSpec({ policy: policies, condition: { StringEqual: { 'jwt:iss': ['https://a.test'] } }, trustedIps }),
});

const snapshot = compileSnapshot({
  publicUrl: 'https://sts.test',
  revision: 1,
  documents: [
    policy('read', statement('Allow', ['Function:Read'], ['*'])),
    policy('staging', statement('Allow', ['Function:*'], ['staging:*'])),
    policy('one', statement('Allow', ['Secret:Read'], ['staging:?'])),
    policy('never', statement('Deny', ['Function:Delete'], ['staging:core'])),
    role('reader', ['read']),
    role('stager', ['staging', 'never']),
    role('office', ['read'], ['10.0.0.0/8']),
  ],
});

const ask = (policies: string[], actions: string[], resources: string[]) =>
  firstNotGranted(snapshot, [{ actions, resources }], {
    policies,
    claims: {},
    audiences: [],
    sourceIp: null,
    now: 0,
  });

describe('permissions that are asked for', () => {
  it.each([
    [['read'], ['Function:Read'], ['prod:web']],
    [['read'], ['Function:Read'], ['*']],
    [['staging'], ['Function:*'], ['staging:*']],
    [['staging'], ['Function:Deploy'], ['staging:web*']],
    [['one'], ['Secret:Read'], ['staging:a']],
    [['staging', 'never'], ['Function:Deploy'], ['staging:core']],
  ])('of %j: %j on %j are granted', (policies, actions, resources) => {
    expect(ask(policies, actions, resources)).toBeNull();
  });

  it.each([
    ['another action', ['read'], ['Function:Read', 'Function:Deploy'], ['prod:web']],
    ['another resource', ['staging'], ['Function:Deploy'], ['staging:web', 'prod:web']],
    ['a wider wildcard', ['staging'], ['Function:Deploy'], ['*']],
    ['a wildcard that only begins alike', ['staging'], ['Function:Deploy'], ['stag*']],
    ['a wildcard where a statement means one character', ['one'], ['Secret:Read'], ['staging:*']],
    ['a wildcard of which a Deny forbids a part', ['staging', 'never'], ['Function:*'], ['staging:*']],
    ['what a Deny forbids', ['staging', 'never'], ['Function:Delete'], ['staging:core']],
    ['anything of no policy', [], ['Function:Read'], ['x:y']],
  ])('for %s are refused', (_, policies, actions, resources) => {
    expect(ask(policies, actions, resources)).not.toBeNull();
  });

  it('limit what a token may do, wildcards included, and never read a pattern into a resource', () => {
    const limit = [{ actions: ['Function:Read'], resources: ['staging:*'] }];
    expect(permits(limit, 'Function:Read', 'staging:a/b:c')).toBe(true);
    expect(permits(limit, 'Function:Deploy', 'staging:a')).toBe(false);
    expect(permits(limit, 'Function:Read', 'prod:a')).toBe(false);
    expect(permits([{ actions: ['a'], resources: ['x:y'] }], 'a', 'x:*')).toBe(false);
  });
});

describe('a token of ours', () => {
  const held = { roles: ['reader', 'stager'], policies: ['read', 'staging', 'never'] };
  const narrow = (roles: string[] | null, policies: string[] | null, of = held, sourceIp: string | null = null) =>
    narrowToken(snapshot, { held: of, scope: { roles, policies }, sourceIp });

  it('keeps what it has when nothing is named', () => {
    expect(narrow(null, null)).toEqual({ ok: true, ...held });
  });

  it('is narrowed to what is named, and to no less than its denials', () => {
    expect(narrow(['reader'], null)).toEqual({ ok: true, roles: ['reader'], policies: ['never', 'read'] });
    expect(narrow(null, ['read'])).toEqual({ ok: true, roles: ['reader'], policies: ['never', 'read'] });
  });

  it('gains nothing that its roles have got since', () => {
    expect(narrow(['stager'], null, { roles: ['stager'], policies: ['never'] })).toEqual({
      ok: true,
      roles: ['stager'],
      policies: ['never'],
    });
  });

  it.each([
    [['office'], null],
    [null, ['unheard-of']],
  ])('is not widened by roles %j and policies %j', (roles, policies) => {
    expect(narrow(roles, policies)).toMatchObject({ ok: false, reason: 'scope_not_allowed' });
  });

  it('is narrowed only from where its roles trust', () => {
    const office = { roles: ['office'], policies: ['read'] };
    expect(narrow(null, null, office, '10.1.2.3')).toMatchObject({ ok: true });
    expect(narrow(null, null, office, '192.0.2.1')).toMatchObject({ ok: false, reason: 'address_not_allowed' });
  });
});
