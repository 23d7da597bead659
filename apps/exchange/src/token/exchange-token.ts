import { randomUUID } from 'node:crypto';
import { decideExchange, type ExchangeDecisionMessage, type RefusalReason } from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { accessTokenClaims, mayAct, type VerifiedSubject } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { ExchangeConfig } from '../config';
import type { Attempt } from '../trail/attempt';
import { CredentialVerifier, readCredential, type VerifiedCredential } from './credential-verifier';
import { NarrowToken } from './narrow-token';
import { refuseToken } from './refusal';
import { grantedScope } from './scope';
import { TokenIssuer, type TokenAnswer } from './token-issuer';
import { requestedAudiences, type TokenRequest } from './token-request';

/** One exchange, end to end: verify, decide, then reserve, sign and record (TokenIssuer), answer. */
@Injectable()
export class ExchangeToken {
  constructor(
    private readonly config: ExchangeConfig,
    private readonly verifier: CredentialVerifier,
    private readonly narrowToken: NarrowToken,
    private readonly bus: Bus,
    private readonly tokenIssuer: TokenIssuer,
  ) {}

  /** Throws Refusal when nothing may be issued, UnavailableError when a dependency is lost; `attempt` is filled on the way. */
  async exchange(request: TokenRequest, attempt: Attempt): Promise<TokenAnswer> {
    const now = Math.floor(Date.now() / 1000);
    const parsed = readCredential(request.subjectToken, attempt);
    if (parsed.iss === this.config.publicUrl) return this.narrowToken.narrow(request, attempt, now);
    const { issuer, subject } = await this.verifier.verify(parsed, now);
    attempt.issuer = issuer;
    attempt.subject = subject;
    const actor = await this.verifyActor(request, attempt, now);
    const decision = await this.decide(request, attempt, now);
    const { claims, expiresIn } = accessTokenClaims({
      publicUrl: this.config.publicUrl,
      subject,
      decision: { ...decision, ...decision.obligations },
      issuerRules: issuer,
      referencedClaims: decision.obligations.claims,
      scope: grantedScope(request, decision),
      deploymentMaxLifetime: this.config.maxTokenLifetime,
      now,
      jti: randomUUID(),
      ...(actor && { actor: actor.subject }),
      ...(request.permissions && { authorizationDetails: request.permissions }),
      ...(attempt.jkt !== null && { jkt: attempt.jkt }),
    });
    const singleUse = [{ issuer, subject }, actor].flatMap((one) => (one?.issuer.singleUse ? [one.subject] : []));
    return this.tokenIssuer.issue(attempt, { claims, expiresIn, singleUse });
  }

  /** The actor's token is verified like the subject's, and the subject's must name it (RFC 8693 §4.4). */
  private async verifyActor(request: TokenRequest, attempt: Attempt, now: number): Promise<VerifiedCredential | null> {
    if (request.actorToken === null) return null;
    const actor = await this.verifier.verify(readCredential(request.actorToken, null), now);
    if (!mayAct(attempt.subject as VerifiedSubject, actor.subject)) {
      throw refuseToken('actor_not_allowed', 'may_act of the subject token does not name this actor');
    }
    return actor;
  }

  private async decide(request: TokenRequest, attempt: Attempt, now: number): Promise<ExchangeDecisionMessage> {
    const { issuer, subject, sourceIp } = attempt;
    if (issuer === null || subject === null) throw new Error('nothing to decide on before verification');
    const audiences = requestedAudiences(request);
    const { roles, policies, permissions } = request;
    const { claims } = subject;
    const question = { issuer: issuer.name, claims, audiences, roles, policies, permissions, sourceIp, now };
    const decision = await this.bus.request(decideExchange, question, attempt.trace);
    attempt.decision = decision;
    if (decision.effect === 'Deny') throw refuseToken(decision.reason as RefusalReason, decision.detail);
    return decision;
  }
}
