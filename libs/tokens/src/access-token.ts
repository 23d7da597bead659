import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import { audiencesOf, isAcceptedType, isNumericDate } from './claim-rules';
import { parseCompactToken } from './compact-form';
import { selectKey } from './key-selection';
import { TokenRefusalReason } from './refusal-reasons';
import { hasValidSignature, signCompact } from './signature';
import { isObject } from './strict-json';
import {
  AccessTokenClaims,
  GeneratedSigningKey,
  Jwk,
  PrivateJwk,
  SigningAlgorithm,
  SigningKey,
  VerifyAccessTokenInput,
  VerifyAccessTokenResult,
} from './types';

type Claims = Record<string, unknown>;
type Check = readonly [TokenRefusalReason, (claims: Claims, input: VerifyAccessTokenInput) => boolean];

/** RFC 9068 section 2.1. */
const accessTokenType = 'at+jwt';
/** Wider than for subject tokens: ours nest the claims of one, and add the names of roles and policies. */
const accessTokenLimits = { size: 64 * 1024, depth: 16, members: 2000 };
/** Seconds that the clocks of our own services may differ. */
const leeway = 5;

/** In the order in which they are asked; the first that does not hold is the reason. */
const checks: readonly Check[] = [
  ['issuer_unknown', ({ iss }, { publicUrl }) => iss === publicUrl],
  ['sub', ({ sub }) => isText(sub)],
  ['jti', ({ jti }) => isText(jti)],
  ['exp', ({ exp }) => isNumericDate(exp)],
  ['iat', ({ iat }) => isNumericDate(iat)],
  ['nbf', ({ nbf }) => isNumericDate(nbf)],
  ['expired', ({ exp }, { now }) => Number(exp) + leeway > now],
  ['iat_future', ({ iat }, { now }) => Number(iat) - leeway <= now],
  ['nbf', ({ nbf }, { now }) => Number(nbf) - leeway <= now],
  ['aud', ({ aud }, { audience }) => isAddressedTo(audiencesOf(aud), audience)],
  ['claims', isOurs],
];

/** A compact JWS of the claims, `typ: at+jwt`. The imported key is remembered per `privateJwk` object. */
export function signAccessToken({ claims, key }: { claims: AccessTokenClaims; key: SigningKey }): string {
  return signCompact({ alg: key.alg, typ: accessTokenType, kid: key.kid }, claims, key.privateJwk);
}

/** A new signing key; `kid` is its RFC 7638 thumbprint. RSA keys have 3072 bits. */
export async function generateSigningKey(alg: SigningAlgorithm): Promise<GeneratedSigningKey> {
  const pair = await generateKeyPair(alg, { extractable: true, modulusLength: 3072 });
  const parameters = (await exportJWK(pair.publicKey)) as Jwk;
  const kid = await calculateJwkThumbprint(parameters);
  const names = { kid, alg, use: 'sig' };
  const privateJwk = { ...((await exportJWK(pair.privateKey)) as PrivateJwk), ...names };
  return { kid, alg, publicJwk: { ...parameters, ...names }, privateJwk };
}

/**
 * Verifies one of our own access tokens (RFC 9068 section 4): `at+jwt`, our key under the algorithm it was
 * made for, our `iss`, times with a leeway of 5 s, and `audience` unless that is null.
 */
export function verifyAccessToken(input: VerifyAccessTokenInput): VerifyAccessTokenResult {
  const result = parseCompactToken(input.token, accessTokenLimits);
  if (!result.ok) return { ok: false, reason: result.reason };
  const { parsed } = result;
  if (parsed.typ === null || !isAcceptedType(parsed.typ, [accessTokenType])) return { ok: false, reason: 'typ' };
  const selection = selectKey(parsed, { keys: input.keys, allowMissingKid: false });
  if (!selection.ok) return { ok: false, reason: selection.reason };
  if (selection.key.alg !== parsed.alg) return { ok: false, reason: 'key_alg' };
  if (!hasValidSignature(parsed, selection.key)) return { ok: false, reason: 'verify' };
  const broken = checks.find(([, holds]) => !holds(parsed.claims, input));
  if (broken !== undefined) return { ok: false, reason: broken[0] };
  return { ok: true, claims: parsed.claims as unknown as AccessTokenClaims };
}

function isAddressedTo(audiences: readonly string[], audience: string | null): boolean {
  return audience === null ? audiences.length > 0 : audiences.includes(audience);
}

/** Signed by us, so this only tells our tokens from those of another version of us. */
function isOurs({ client_id: clientId, roles, policy, fed }: Claims): boolean {
  return isText(clientId) && isTextList(roles) && isTextList(policy) && isObject(fed) && isObject(fed['claims']);
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
