import type { RoleSpec } from './documents';

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
