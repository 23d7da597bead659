import { randomUUID } from 'node:crypto';
import { narrowToken, tokenCheck, type Permission, type RefusalReason } from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { narrowedTokenClaims, verifyAccessToken, type AccessTokenClaims } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { ExchangeConfig } from '../config';
import { SigningKeys } from '../keys/signing-keys';
import { TokenStatus } from '../revocation/token-status';
import type { Attempt } from '../trail/attempt';
import { refuseToken } from './refusal';
import { grantedScope } from './scope';
import { TokenIssuer, type TokenAnswer } from './token-issuer';
import { requestedAudiences, type TokenRequest } from './token-request';

/** One of our own tokens, presented by whoever holds it: it may be narrowed, never widened and never prolonged. */
@Injectable()
export class NarrowToken {
  constructor(
    private readonly config: ExchangeConfig,
    private readonly signingKeys: SigningKeys,
    private readonly bus: Bus,
    private readonly tokenIssuer: TokenIssuer,
    private readonly status: TokenStatus,
  ) {}

  /** `now` in epoch seconds. Throws Refusal or UnavailableError. */
  async narrow(request: TokenRequest, attempt: Attempt, now: number): Promise<TokenAnswer> {
    const parent = await this.verify(request, attempt, now);
    const granted = await this.decide(request, attempt, { parent, now });
    const audiences = requestedAudiences(request);
    const narrowed = narrowedTokenClaims({
      parent,
      ...granted,
      audience: audiences.length > 0 ? audiences : null,
      authorizationDetails: request.permissions,
      scope: grantedScope(request, granted),
      jkt: attempt.jkt,
      now,
      jti: randomUUID(),
    });
    if (!narrowed.ok) throw refuseToken(narrowed.reason);
    const { claims, expiresIn } = narrowed;
    return this.tokenIssuer.issue(attempt, { claims, expiresIn, singleUse: [] });
  }

  private async verify(request: TokenRequest, attempt: Attempt, now: number): Promise<AccessTokenClaims> {
    if (request.actorToken !== null) throw refuseToken('actor_not_allowed', 'an access token has its actor already');
    const { publicUrl } = this.config;
    const keys = this.signingKeys.verificationKeys();
    const verified = verifyAccessToken({ token: request.subjectToken, keys, publicUrl, audience: null, now });
    if (!verified.ok) throw refuseToken(verified.reason);
    const { claims } = verified;
    attempt.subject = subjectOf(claims);
    const boundTo = claims.cnf?.['jkt'] ?? null;
    if (boundTo !== null && boundTo !== attempt.jkt) throw refuseToken('proof_missing', 'the token is bound to a key');
    const { revoked } = await this.status.check(tokenCheck(claims));
    if (revoked) throw refuseToken('revoked');
    return claims;
  }

  private async decide(
    { roles, policies, permissions }: TokenRequest,
    attempt: Attempt,
    { parent, now }: { parent: AccessTokenClaims; now: number },
  ): Promise<{ roles: string[]; policies: string[] }> {
    const held = { roles: parent.roles, policies: parent.policy, grantedAt: parent.policy_revision };
    const claims = { ...parent.fed.claims, iss: parent.fed.iss, sub: parent.fed.sub };
    const { sourceIp } = attempt;
    const scope = { roles, policies };
    const limitedTo = (parent.authorization_details ?? null) as Permission[] | null;
    const question = { held, scope, permissions, limitedTo, claims, sourceIp, now };
    const decision = await this.bus.request(narrowToken, question, attempt.trace);
    if (!decision.ok) throw refuseToken(decision.reason satisfies RefusalReason, decision.detail);
    const { revision } = decision;
    attempt.decision = {
      ...{ effect: 'Allow', reason: null, detail: null, shadowRoles: [], statements: [], revision },
      ...{ roles: decision.roles, policies: decision.policies },
      obligations: { audience: [], maxTokenExpiry: null, claims: [] },
    };
    return { roles: decision.roles, policies: decision.policies };
  }
}

/** Whom the trail names: the subject that the token was issued for. */
const subjectOf = (claims: AccessTokenClaims): Attempt['subject'] => ({
  issuer: claims.client_id,
  iss: claims.iss,
  sub: claims.fed.sub,
  jti: claims.jti,
  claims: { ...claims },
  iat: claims.iat,
  exp: claims.exp,
  replayKey: '',
  replayExpiresAt: 0,
});
