import { compactVerify } from 'jose';
import { readCompactToken, type Claims } from './compact-token';
import { checkProof, type DpopRules, type ProofMemory, type ProvenRequest } from './dpop';
import { identityOfClaims, type Identity } from './identity';
import { assertSecure, IssuerKeys, type FindKey, type KeyCaching } from './issuer-keys';
import { InProcessProofMemory } from './proof-memory';
import type { Fetch } from './read-json';
import { refuse, type Refused, type RefusalReason } from './reasons';
import { isText, textsOf } from './values';

export type Verification = { ok: true; identity: Identity } | Refused;

export interface VerifyOptions {
  /** Of the request that carried the token; without it a bound token is refused. */
  dpop?: ProvenRequest;
}

export interface Verifier {
  /** Verifies an access token (RFC 9068 §4) with the issuer's published keys. Never throws for what a caller sent. */
  verify(token: string, options?: VerifyOptions): Promise<Verification>;
  readonly audience: string;
  /** What proofs may be signed with, for challenges. */
  readonly proofAlgorithms: readonly string[];
}

/** Durations are seconds unless their name says otherwise. */
export interface VerifierOptions {
  /** The public URL of countersign, exactly as in its tokens' `iss`. */
  issuer: string;
  /** What this API is called in tokens' `aud`. */
  audience: string;
  /** Accepted signatures; ES256, RS256 and EdDSA unless given. */
  algorithms?: string[];
  /** That clocks may differ; 5 unless given. */
  leeway?: number;
  /** maxAge 300, as long as countersign says; cooldown 30; maxStale 3600, unless given. */
  keys?: Partial<KeyCaching>;
  /**
   * `maxAge` of a proof is 60 unless given; its memory is this process unless given: several processes behind one
   * address need a common one. `algorithms` are those that countersign accepts unless given.
   */
  dpop?: { maxAge?: number; memory?: ProofMemory; algorithms?: string[] };
  /** Instead of the global one: for a proxy or a CA of your own. */
  fetch?: Fetch;
  /** Epoch seconds; the system's clock unless given. */
  now?: () => number;
  timeoutMs?: number;
  /** Permits plain HTTP to an issuer that is not on the loopback interface, in a network where nobody else is. */
  allowHttp?: boolean;
}

const MAX_LENGTH = 64 * 1024;
const TYPES = ['at+jwt', 'application/at+jwt'];
const PROOF_ALGORITHMS = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA', 'Ed25519'];
const ASYMMETRIC = /^(?:ES(?:256|384|512)|[RP]S(?:256|384|512)|EdDSA|Ed25519)$/;

/** Throws TypeError for options that cannot be right. */
export function createVerifier(options: VerifierOptions): Verifier {
  const { issuer, audience, allowHttp = false } = options;
  const algorithms = options.algorithms ?? ['ES256', 'RS256', 'EdDSA'];
  if (!isText(audience)) throw new TypeError('audience is missing');
  for (const list of [algorithms, options.dpop?.algorithms ?? PROOF_ALGORITHMS])
    if (list.length === 0 || !list.every((alg) => ASYMMETRIC.test(alg)))
      throw new TypeError('algorithms must be asymmetric ones');
  assertSecure(issuer, allowHttp);
  return new OfflineVerifier({ ...options, algorithms, allowHttp });
}

class OfflineVerifier implements Verifier {
  readonly audience: string;
  readonly proofAlgorithms: readonly string[];
  private readonly now: () => number;
  private readonly leeway: number;
  private readonly keys: IssuerKeys;
  private readonly dpop: DpopRules;

  constructor(private readonly options: VerifierOptions & { algorithms: string[]; allowHttp: boolean }) {
    const { dpop = {}, allowHttp, issuer, timeoutMs = 5_000 } = options;
    this.now = options.now ?? (() => Math.floor(Date.now() / 1000));
    this.leeway = options.leeway ?? 5;
    this.audience = options.audience;
    this.proofAlgorithms = dpop.algorithms ?? PROOF_ALGORITHMS;
    const caching = { maxAge: 300, cooldown: 30, maxStale: 3_600, ...options.keys };
    const fetch = options.fetch ?? globalThis.fetch;
    this.keys = new IssuerKeys({ ...caching, issuer, fetch, now: this.now, timeoutMs, allowHttp });
    const memory = dpop.memory ?? new InProcessProofMemory();
    this.dpop = { algorithms: this.proofAlgorithms, maxAge: dpop.maxAge ?? 60, leeway: this.leeway, memory };
  }

  async verify(token: string, { dpop }: VerifyOptions = {}): Promise<Verification> {
    if (token.length > MAX_LENGTH) return refuse('size');
    const parts = readCompactToken(token);
    if (parts === null) return refuse('form');
    const unsigned = await this.refusedSignature(token, parts.header);
    if (unsigned !== null) return refuse(unsigned);
    const now = this.now();
    const broken = this.refusedClaims(parts.claims, now);
    if (broken !== null) return refuse(broken);
    const identity = identityOfClaims(parts.claims);
    if (identity === null) return refuse('claims');
    const bound = await this.checkBinding(token, identity, dpop, now);
    return bound.ok ? { ok: true, identity } : bound;
  }

  private async refusedSignature(token: string, { alg, typ, kid }: Claims): Promise<RefusalReason | null> {
    if (!isText(typ) || !TYPES.includes(typ.toLowerCase())) return 'typ';
    if (!isText(alg) || !this.options.algorithms.includes(alg)) return 'alg';
    if (!isText(kid)) return 'key_unknown';
    const key = await this.keys.find(kid);
    if (typeof key === 'string') return key;
    return (await isSigned(token, key, alg)) ? null : 'signature';
  }

  private refusedClaims({ iss, aud, exp, iat, nbf = iat }: Claims, now: number): RefusalReason | null {
    if (iss !== this.options.issuer) return 'issuer';
    if (![exp, iat, nbf].every(Number.isFinite)) return 'claims';
    if (Number(exp) + this.leeway <= now) return 'expired';
    if (Math.max(Number(iat), Number(nbf)) - this.leeway > now) return 'not_yet_valid';
    return textsOf(aud).includes(this.audience) ? null : 'audience';
  }

  private async checkBinding(token: string, identity: Identity, request: ProvenRequest | undefined, now: number) {
    const { keyThumbprint: thumbprint } = identity;
    if (thumbprint === null) return isText(request?.proof) ? refuse('not_bound') : ({ ok: true } as const);
    if (request === undefined) return refuse('proof_missing');
    return checkProof(request, { token, thumbprint, now }, this.dpop);
  }
}

async function isSigned(token: string, key: FindKey, alg: string): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [alg] });
    return true;
  } catch {
    return false;
  }
}
