/** Why a token, or a request that carried one, was refused. For logs; callers learn the OAuth error code alone. */
export type RefusalReason =
  /** No `Authorization` header. */
  | 'no_token'
  /** An `Authorization` header that holds no token of ours: another scheme, or none at all. */
  | 'no_bearer_token'
  /** Longer than 64 KiB. */
  | 'size'
  /** Not a compact JWS, or header or claims are no JSON objects. */
  | 'form'
  /** Not `at+jwt` (RFC 9068 §4). */
  | 'typ'
  /** `none`, HMAC, or another algorithm than countersign signs with. */
  | 'alg'
  /** The issuer publishes no key of this `kid`. */
  | 'key_unknown'
  /** The issuer's keys cannot be had and none are remembered: nobody's fault who asks; answered with 503. */
  | 'keys_unavailable'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'expired'
  /** `nbf` or `iat` lies ahead. */
  | 'not_yet_valid'
  /** Claims that every token of countersign has are missing or of another type. */
  | 'claims'
  /** The token is bound to a key (RFC 9449 §6) and came without a proof. */
  | 'proof_missing'
  /** The proof does not hold, or is for another request, token or key. */
  | 'proof_invalid'
  | 'proof_replayed'
  /** Too many proofs within a minute to remember them all; answered with 503. */
  | 'proof_memory_full'
  /** A proof came with a token that is bound to no key (RFC 9449 §7.1). */
  | 'not_bound'
  /** The token is good and does not allow this. */
  | 'not_allowed'
  /** Whether it is allowed could not be found out; answered with 503. */
  | 'decision_unavailable';

export type Refused = { ok: false; reason: RefusalReason };

export const refuse = (reason: RefusalReason): Refused => ({ ok: false, reason });
