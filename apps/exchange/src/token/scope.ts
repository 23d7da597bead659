import type { TokenRequest } from './token-request';

/** The scope in words of RFC 6749 §3.3: the roles that contribute, and the policies where some were asked for. */
export function grantedScope(
  { policies }: Pick<TokenRequest, 'policies'>,
  granted: { roles: string[]; policies: string[] },
): string {
  const named = policies === null ? [] : granted.policies.map((name) => `policy:${name}`);
  return [...granted.roles.map((name) => `role:${name}`), ...named].join(' ');
}
