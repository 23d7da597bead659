import type { CountersignDocument, RoleSpec } from './documents';

export const GITHUB = 'https://token.actions.githubusercontent.com';

export const githubIssuer = {
  kind: 'JwtIssuer',
  name: 'github',
  spec: { iss: GITHUB, platform: 'github', disabled: false },
} as CountersignDocument;

/** The Policy `p`, which allows everything. */
export const openPolicy: CountersignDocument = {
  kind: 'Policy',
  name: 'p',
  spec: { statement: [{ sid: 's', effect: 'Allow', action: ['*'], resource: ['*'], condition: null }] },
};

/** A Role as it is stored, with every default filled in; it grants the Policy `p`. */
export const roleSpec = (changes: Partial<RoleSpec>): RoleSpec => ({
  policy: ['p'],
  principal: null,
  condition: {},
  audience: [],
  multipleAudiences: false,
  maxTokenExpiry: null,
  allowedEvents: [],
  trustedIps: [],
  maxUses: 0,
  shadow: false,
  disabled: false,
  ...changes,
});
