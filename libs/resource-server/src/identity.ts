import type { Claims } from './compact-token';
import { isObject, isText, textsOf } from './values';
import { matchesWildcards } from './wildcards';

/** One member of `authorization_details` (RFC 9396) as countersign writes it. */
export interface Permission {
  actions: string[];
  resources: string[];
}

/** Who calls, as the access token says. Times are epoch seconds. */
export interface Identity {
  /** `<name of the trusted issuer>:<sub there>`. */
  subject: string;
  /** The countersign that issued the token. */
  issuer: string;
  audience: string[];
  /** Name of the trusted issuer (JwtIssuer) that vouched for the caller. */
  clientId: string;
  /** `jti` of the token. */
  tokenId: string;
  roles: string[];
  policies: string[];
  scope: string[];
  /** Claims of the caller's platform: those that the granted statements look at, and those the issuer carries. */
  claims: Claims;
  /** The caller as its own issuer names it. */
  federated: { issuer: string; subject: string };
  /** RFC 8693 §4.1: who acts for the subject. */
  actor: Claims | null;
  /** Every member of `authorization_details`, whatever its type; null when the token has none. */
  authorizationDetails: unknown[] | null;
  /** Those of type `countersign_permission`; null when the token is not narrowed by permissions. */
  permissions: Permission[] | null;
  /** Thumbprint of the key that the token is bound to (RFC 9449 §6.1). */
  keyThumbprint: string | null;
  issuedAt: number;
  expiresAt: number;
  hasRole(name: string): boolean;
  /**
   * Whether the permissions in the token cover this action on this resource; their `*` is any run of characters. False
   * without permissions in the token: what its policies allow is not in it, ask a decider.
   */
  allows(action: string, resource: string): boolean;
}

interface TokenClaims {
  iss: string;
  sub: string;
  jti: string;
  aud: string | string[];
  iat: number;
  exp: number;
  client_id: string;
  scope?: string;
  roles: string[];
  policy: string[];
  fed: { iss: string; sub: string; claims: Claims };
  act?: Claims;
  cnf?: { jkt: string };
  authorization_details?: unknown[];
}

const isTextList = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
const optional =
  (holds: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === undefined || holds(value);

/** What a token of countersign has beside what the verifier checks; what may be absent must still be what it should. */
const SHAPE: Record<string, (value: unknown) => boolean> = {
  sub: isText,
  jti: isText,
  client_id: isText,
  scope: optional((value) => typeof value === 'string'),
  roles: isTextList,
  policy: isTextList,
  fed: (value) => isObject(value) && isText(value['iss']) && isText(value['sub']) && isObject(value['claims']),
  act: optional(isObject),
  // A binding that cannot be checked must not pass as none: RFC 7800 §3.1 knows others than a key's thumbprint.
  cnf: optional((value) => isObject(value) && isText(value['jkt'])),
  // To skip details that narrow and cannot be read would be to widen the token.
  authorization_details: optional((value) => Array.isArray(value) && value.every(isReadable)),
};

/** The identity in verified claims; null when they are not those of a token of countersign. */
export function identityOfClaims(claims: Claims): Identity | null {
  const isOurs = Object.entries(SHAPE).every(([name, holds]) => holds(claims[name]));
  return isOurs ? toIdentity(claims as unknown as TokenClaims) : null;
}

function toIdentity(claims: TokenClaims): Identity {
  const { roles, fed, authorization_details: authorizationDetails = null } = claims;
  const permissions = authorizationDetails?.filter(isPermission) ?? [];
  return {
    subject: claims.sub,
    issuer: claims.iss,
    audience: textsOf(claims.aud),
    clientId: claims.client_id,
    tokenId: claims.jti,
    roles,
    policies: claims.policy,
    scope: claims.scope?.split(' ').filter(isText) ?? [],
    claims: fed.claims,
    federated: { issuer: fed.iss, subject: fed.sub },
    actor: claims.act ?? null,
    authorizationDetails,
    permissions: permissions.length > 0 ? permissions : null,
    keyThumbprint: claims.cnf?.jkt ?? null,
    issuedAt: claims.iat,
    expiresAt: claims.exp,
    hasRole: (name) => roles.includes(name),
    allows: (action, resource) => permissions.some(covers(action, resource)),
  };
}

const covers =
  (action: string, resource: string) =>
  ({ actions, resources }: Permission): boolean =>
    actions.some((pattern) => matchesWildcards(pattern, action)) &&
    resources.some((pattern) => matchesWildcards(pattern, resource));

const isOfOurType = (detail: Claims): boolean => detail['type'] === 'countersign_permission';

function isPermission(detail: unknown): detail is Permission {
  return isObject(detail) && isOfOurType(detail) && isTextList(detail['actions']) && isTextList(detail['resources']);
}

function isReadable(detail: unknown): boolean {
  return isObject(detail) && (!isOfOurType(detail) || isPermission(detail));
}
