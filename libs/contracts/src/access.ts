/** What an admin call may need; a policy statement grants it on `countersign:*` (CONTRACT.md section 2). */
export const ADMIN_ACTIONS = [
  'Iam:Read',
  'Iam:Write',
  'Iam:Simulate',
  'Audit:Read',
  'Audit:Erase',
  'Webhook:Admin',
  'Token:Introspect',
  'Token:Revoke',
  'Decision:Evaluate',
  'Issuer:Refresh',
] as const;

export type AdminAction = (typeof ADMIN_ACTIONS)[number];

/** The resource every admin action is granted on. */
export const ADMIN_RESOURCE = 'countersign:*';
