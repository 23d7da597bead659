import { AccessTokenClaims } from './types';

/** What the holder of one of our tokens asks for: never more than the token has. */
export interface NarrowingInput {
  parent: AccessTokenClaims;
  roles: readonly string[];
  policies: readonly string[];
  /** Null keeps the parent's. */
  audience: readonly string[] | null;
  authorizationDetails: readonly unknown[] | null;
  scope: string;
  /** Thumbprint of the key that the holder has proven; the parent's own where it is bound to one. */
  jkt: string | null;
  /** Epoch seconds. */
  now: number;
  jti: string;
}

export type NarrowingResult =
  | { ok: true; claims: AccessTokenClaims; expiresIn: number }
  | { ok: false; reason: 'token_depth' | 'target_not_allowed' };

/** How often a token may be narrowed: a child, and a child of that. */
const maxDepth = 2;

/**
 * The claims of a token narrowed by its holder: same subject, bound to the key that was proven, roles, policies and
 * audience within the parent's, and never past its end. `parents` names every token that it dies with.
 */
export function narrowedTokenClaims(input: NarrowingInput): NarrowingResult {
  const { parent, audience, authorizationDetails, now } = input;
  const parents = [...(parent.parents ?? []), parent.jti];
  if (parents.length > maxDepth) return { ok: false, reason: 'token_depth' };
  const held = [parent.aud].flat();
  const wanted = audience ?? held;
  if (!wanted.every((one) => held.includes(one))) return { ok: false, reason: 'target_not_allowed' };
  const [onlyAudience, ...others] = wanted;
  const claims: AccessTokenClaims = {
    ...parent,
    aud: others.length === 0 && onlyAudience !== undefined ? onlyAudience : [...wanted],
    iat: now,
    nbf: now,
    jti: input.jti,
    scope: input.scope,
    roles: within(input.roles, parent.roles),
    policy: within(input.policies, parent.policy),
    ...(input.jkt !== null && { cnf: { jkt: input.jkt } }),
    ...(authorizationDetails !== null && { authorization_details: [...authorizationDetails] }),
    parents,
  };
  return { ok: true, claims, expiresIn: Math.max(0, parent.exp - now) };
}

const within = (wanted: readonly string[], held: readonly string[]): string[] =>
  wanted.filter((one) => held.includes(one));
