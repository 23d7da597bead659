import { isForVerification, isKeyFor, keyDefect } from './key-rules';
import { TokenRefusalReason } from './refusal-reasons';
import { Jwk, ParsedToken, RejectedKey } from './types';

export type KeySelection = { ok: true; key: Jwk } | { ok: false; reason: TokenRefusalReason };

export interface KeyCandidates {
  keys: readonly Jwk[];
  rejectedKeys?: readonly RejectedKey[] | undefined;
  allowMissingKid: boolean;
}

type TokenHead = Pick<ParsedToken, 'alg' | 'kid'>;

/** Keys that were looked at before: a key's parameters do not change, and looking costs an import. */
const defects = new WeakMap<Jwk, TokenRefusalReason | 'none'>();

/**
 * The one key that may verify the token: named by `kid`, usable, and made for the token's `alg` (RFC 8725
 * section 3.1). The token's header never widens the choice.
 */
export function selectKey(token: TokenHead, candidates: KeyCandidates): KeySelection {
  const keys = candidates.keys.filter((jwk) => isForVerification({ ...jwk }));
  if (token.kid === null) return candidates.allowMissingKid ? onlyFittingKey(token.alg, keys) : refuse('kid');
  const [key, other] = keys.filter((jwk) => jwk.kid === token.kid);
  if (key === undefined) return refuse(rejectionOf(token.kid, candidates.rejectedKeys ?? []));
  if (other !== undefined) return refuse('kid_ambiguous');
  const reason = reasonAgainst(key, token.alg);
  return reason === null ? { ok: true, key } : refuse(reason);
}

function onlyFittingKey(alg: string, keys: readonly Jwk[]): KeySelection {
  const [key, other] = keys.filter((jwk) => reasonAgainst(jwk, alg) === null);
  if (key === undefined) return refuse('kid_unknown');
  return other === undefined ? { ok: true, key } : refuse('kid_ambiguous');
}

function rejectionOf(kid: string, rejectedKeys: readonly RejectedKey[]): TokenRefusalReason {
  return rejectedKeys.find((rejected) => rejected.kid === kid)?.reason ?? 'kid_unknown';
}

function reasonAgainst(key: Jwk, alg: string): TokenRefusalReason | null {
  const defect = rememberedDefect(key);
  if (defect !== 'none') return defect;
  // No signature of this curve can be one of that algorithm, whatever the key says of itself.
  if (!isKeyFor(key, alg)) return key.kty === keyTypeOf(alg) ? 'verify' : 'key_alg';
  return key.alg === undefined || key.alg === alg ? null : 'key_alg';
}

function rememberedDefect(key: Jwk): TokenRefusalReason | 'none' {
  const known = defects.get(key);
  if (known !== undefined) return known;
  const defect = keyDefect({ ...key }) ?? 'none';
  defects.set(key, defect);
  return defect;
}

function keyTypeOf(alg: string): string {
  if (alg.startsWith('ES')) return 'EC';
  return alg.startsWith('Ed') ? 'OKP' : 'RSA';
}

function refuse(reason: TokenRefusalReason): KeySelection {
  return { ok: false, reason };
}
