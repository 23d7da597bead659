import { isObject } from './values';

export type Claims = Record<string, unknown>;

export interface CompactToken {
  header: Claims;
  claims: Claims;
}

/** Three base64url parts without padding, each with something in it. */
const FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Header and claims of a compact JWS, nothing verified yet; null when it is none. */
export function readCompactToken(token: string): CompactToken | null {
  if (!FORM.test(token)) return null;
  const [header, claims] = token.split('.', 2).map(jsonOf);
  return header && claims ? { header, claims } : null;
}

function jsonOf(part: string): Claims | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
