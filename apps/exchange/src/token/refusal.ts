import {
  BAD_CREDENTIAL_CODE,
  REFUSAL_CLASS,
  type GrantName,
  type OAuthErrorCode,
  type RefusalReason,
} from '@countersign/contracts';

/** What the trail keeps of a refusal; `class` is null when the request itself was wrong. */
export interface RefusalRecord {
  reason: string;
  class: string | null;
  detail: string | null;
}

/** What the token endpoint answers when it issues nothing: the public side here, the full reason for the trail. */
export class Refusal extends Error {
  constructor(
    /** Null: the code for a bad credential, which depends on the grant. */
    private readonly ownCode: OAuthErrorCode | null,
    readonly description: string,
    readonly record: RefusalRecord,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(record.reason);
    this.name = 'Refusal';
  }

  /** The `error` to answer with (RFC 6749 §5.2, RFC 7523 §3, RFC 8693 §2.2.2). */
  codeFor(grant: GrantName): OAuthErrorCode {
    return this.ownCode ?? BAD_CREDENTIAL_CODE[grant];
  }
}

/** Reasons whose code does not depend on the grant. */
const CODE_OF_REASON: Partial<Record<RefusalReason, OAuthErrorCode>> = {
  target_not_allowed: 'invalid_target',
  scope_not_allowed: 'invalid_scope',
  details_not_allowed: 'invalid_authorization_details',
};

/** The caller's token, or what it asks for, is refused: it learns the class alone. */
export function refuseToken(reason: RefusalReason, detail: string | null = null): Refusal {
  const refusalClass = REFUSAL_CLASS[reason];
  return new Refusal(CODE_OF_REASON[reason] ?? null, refusalClass, { reason, class: refusalClass, detail });
}

/** The request itself is wrong; naming the parameter tells nobody anything about tokens. */
export const refuseRequest = (code: OAuthErrorCode, description: string): Refusal =>
  new Refusal(code, description, { reason: code, class: null, detail: description });

/** Too many refusals from one address. */
export const refuseRate = (retryAfterSeconds: number): Refusal =>
  new Refusal(
    'slow_down',
    'too many refused requests',
    { reason: 'rate_limited', class: null, detail: null },
    { 'retry-after': String(retryAfterSeconds) },
  );

/** The DPoP proof is refused, or must be made again with the nonce given (RFC 9449 §5, §8). */
export const refuseProof = (code: 'invalid_dpop_proof' | 'use_dpop_nonce', detail: string, nonce: string): Refusal =>
  new Refusal(
    code,
    code === 'use_dpop_nonce' ? 'a fresh nonce is needed' : 'the DPoP proof is not valid',
    { reason: code, class: null, detail },
    { 'dpop-nonce': nonce },
  );
