import {
  authorizeAdmin,
  decideExchange as decideExchangeContract,
  listIssuers,
  narrowToken as narrowTokenContract,
  type DecideExchangeRequest,
  type ExchangeDecisionMessage,
} from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { traceFromHeaders, UnavailableError, type CarriedTrace } from '@countersign/platform';
import {
  decideExchange,
  evaluatePermission,
  firstNotGranted,
  narrowToken,
  type ExchangeDecision,
} from '@countersign/policy-engine';
import { Injectable, Optional, type OnModuleInit } from '@nestjs/common';
import { RepositoryPinning } from '../repository-pins/repository-pinning';
import { CurrentSnapshot } from '../snapshot/current-snapshot';
import { PolicyAdminAccess, type AuthorizeRequest } from './policy-admin-access';

type NarrowRequest = ReturnType<typeof narrowTokenContract.input.parse>;
type NarrowAnswer = ReturnType<typeof narrowTokenContract.output.parse>;

/** What the other services ask the decision point over the bus. */
@Injectable()
export class AnswerDecisions implements OnModuleInit {
  constructor(
    private readonly bus: Bus,
    private readonly snapshots: CurrentSnapshot,
    private readonly pinning: RepositoryPinning,
    @Optional() private readonly access?: PolicyAdminAccess,
  ) {}

  onModuleInit(): void {
    this.bus.serve(decideExchangeContract, (request, carried) => this.decide(request, carried));
    this.bus.serve(narrowTokenContract, (request) => this.narrow(request));
    this.bus.serve(authorizeAdmin, (request) => this.authorize(request));
    this.access?.answerWith((request) => this.authorize(request));
    this.bus.serve(listIssuers, ({ atLeast }) => this.issuers(atLeast));
  }

  /**
   * Whoever was told of a revision must not be answered from the one before, whichever replica is asked. Who asks
   * during our start waits for the first one, rather than for its own next try.
   */
  private async issuers(atLeast = 0): Promise<ReturnType<CurrentSnapshot['issuers']>> {
    if (!this.snapshots.has(atLeast)) await this.snapshots.refresh();
    return this.snapshots.issuers();
  }

  private async decide(request: DecideExchangeRequest, carried: CarriedTrace): Promise<ExchangeDecisionMessage> {
    const decision = await this.decideKnown(request, carried);
    const { effect, reason, detail, roles, shadowRoles, policies, statements, revision } = decision;
    const { audience, maxTokenExpiry, claims } = decision.obligations;
    const obligations = { audience, maxTokenExpiry, claims };
    return { effect, reason, detail, roles, shadowRoles, policies, statements, obligations, revision };
  }

  /** Nothing is granted to a repository before it is pinned; another replica may have pinned it to other ids. */
  private async decideKnown(request: DecideExchangeRequest, carried: CarriedTrace): Promise<ExchangeDecision> {
    const first = decideExchange(this.snapshots.current(), request);
    if (first.sighting === null) return first;
    const { sub } = request.claims;
    await this.pinning.pin(first.sighting, typeof sub === 'string' ? sub : '', traceFromHeaders(carried));
    const decision = decideExchange(this.snapshots.current(), request);
    if (decision.sighting !== null) throw new UnavailableError('policy');
    return decision;
  }

  private narrow({ held, scope, permissions, limitedTo, claims, sourceIp, now }: NarrowRequest): NarrowAnswer {
    const snapshot = this.snapshots.current();
    const { revision } = snapshot;
    const narrowed = narrowToken(snapshot, { held, scope, sourceIp });
    if (!narrowed.ok) return { ...narrowed, revision };
    const { grantedAt } = held;
    const granted = { policies: narrowed.policies, grantedAt, claims, audiences: [], limitedTo, sourceIp, now };
    const missing = permissions && firstNotGranted(snapshot, permissions, granted);
    if (missing === null) return { ...narrowed, revision };
    const detail = `${missing.action} on ${missing.resource} is not granted to this token`;
    return { ok: false, reason: 'details_not_allowed', detail, revision };
  }

  /** The caller is whom an access token names, so `subject:` keys see what they see at `/access/v1/evaluation`. */
  private authorize({ action, roles = [], ...token }: AuthorizeRequest): { allowed: boolean } {
    const { sub } = token.claims;
    const { effect } = evaluatePermission(this.snapshots.current(), {
      ...token,
      roles,
      subject: { type: 'access_token', id: typeof sub === 'string' ? sub : '', properties: {} },
      action: { name: action, properties: {} },
      resourceProperties: {},
      context: {},
      now: Math.floor(Date.now() / 1000),
    });
    return { allowed: effect === 'Allow' };
  }
}
