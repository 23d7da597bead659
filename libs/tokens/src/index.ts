export { accessTokenClaims } from './access-token-claims';
export { generateSigningKey, signAccessToken, verifyAccessToken } from './access-token';
export { intakeKeys } from './intake-keys';
export { isKeyFor } from './key-rules';
export { parseSubjectToken } from './parse-subject-token';
export { tokenRefusalReasons } from './refusal-reasons';
export { looksLikeToken, scrubTokens } from './scrub-tokens';
export { refuseJson, type JsonLimits, type JsonRefusal } from './strict-json';
export { verifySubjectToken } from './verify-subject-token';
export type { KeyRejectionReason, TokenRefusalReason } from './refusal-reasons';
export type {
  AccessTokenClaims,
  AccessTokenInput,
  GeneratedSigningKey,
  IssuerRules,
  Jwk,
  ParsedToken,
  ParseRefusal,
  ParseResult,
  PrivateJwk,
  RejectedKey,
  SigningAlgorithm,
  SigningKey,
  VerifiedSubject,
  VerifyAccessTokenInput,
  VerifyAccessTokenResult,
  VerifySubjectTokenInput,
  VerifySubjectTokenResult,
} from './types';
export {
  dpopAlgorithms,
  verifyDpopProof,
  type DpopProof,
  type DpopProofInput,
  type DpopProofResult,
  type DpopRefusal,
} from './dpop-proof';
export { narrowedTokenClaims, type NarrowingInput, type NarrowingResult } from './narrowed-token-claims';
export { mayAct } from './may-act';
