import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const FOLDER = resolve(__dirname, '../claims');
const INDEX = 'INDEX.json';

export type Claims = Record<string, unknown>;

/** What INDEX.json says about a recorded claim set. */
export interface ClaimSet {
  file: string;
  provider: string;
  jwsHeader: { alg: string; typ?: string };
  iss: string;
  sub: string;
  aud: string | string[];
  hasJti: boolean;
  lifetimeSeconds: number;
}

const read = (file: string): unknown => JSON.parse(readFileSync(join(FOLDER, file), 'utf8'));

/** The recorded claim sets, as INDEX.json lists them. */
export const claimSets = (): ClaimSet[] => read(INDEX) as ClaimSet[];

/** Names of the files with recorded claims. */
export const claimFiles = (): string[] => readdirSync(FOLDER).filter((file) => file !== INDEX);

/**
 * A recorded claim set whose times are moved together so that `iat` (else `nbf`) is `now` (epoch seconds); without
 * `now` as recorded. The name may leave out `.json`.
 */
export function loadClaims(file: string, now?: number): Claims {
  const claims = read(file.endsWith('.json') ? file : `${file}.json`) as Claims;
  const start = claims.iat ?? claims.nbf;
  if (now === undefined || typeof start !== 'number') return claims;
  const shifted = { ...claims };
  for (const name of ['iat', 'nbf', 'exp', 'auth_time']) {
    const value = claims[name];
    if (typeof value === 'number') shifted[name] = value + now - start;
  }
  return shifted;
}
