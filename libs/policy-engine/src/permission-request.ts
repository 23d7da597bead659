import type { ExchangeDecision, ExchangeRequest, PermissionRequest } from './decisions';

/** One action on one resource, `type:id`. A `*` in them is that character, as it is in a decision. */
export interface PermissionQuestion {
  action: string;
  resource: string;
}

/** The question whether the token that an exchange gives may do this: at once, and from the same address. */
export const permissionRequest = (
  { issuer, claims, permissions, sourceIp, now }: ExchangeRequest,
  { policies, roles, obligations }: ExchangeDecision,
  { action, resource }: PermissionQuestion,
): PermissionRequest => ({
  ...{ policies, roles, claims },
  audiences: obligations.audience,
  subject: { type: 'access_token', id: `${issuer}:${String(claims['sub'])}`, properties: {} },
  action: { name: action, properties: {} },
  resource,
  resourceProperties: {},
  context: {},
  limitedTo: permissions,
  ...{ sourceIp, now },
});
