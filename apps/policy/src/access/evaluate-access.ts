import { checkToken, type CloudEvent } from '@countersign/contracts';
import { AuditStream, Bus } from '@countersign/messaging';
import { AdminAccess, VerifiedTokens, createEvent, type Caller, type Trace } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { CurrentSnapshot } from '../snapshot/current-snapshot';
import { LastUses } from '../stale/last-uses';
import { decideAccess, type AccessDecision } from './decide-access';
import type { Evaluation, EvaluationBatch, Semantics } from './evaluation-request';

/** AuthZEN 1.0 §5.5: no more than the decision; why stands in the trail. */
export interface DecisionAnswer {
  decision: boolean;
  context?: { error: { status: number; message: string } };
}

/** What cannot be decided is denied; what is wrong with it says the item itself, the rest being fine (§7.2.1). */
const undecidable = (message: string): DecisionAnswer => ({
  decision: false,
  context: { error: { status: 400, message } },
});

const endsBatch: Record<Semantics, (decision: boolean) => boolean> = {
  execute_all: () => false,
  deny_on_first_deny: (decision) => !decision,
  permit_on_first_permit: (decision) => decision,
};

/** Answers enforcement points, and records every denial before it leaves. */
@Injectable()
export class EvaluateAccess {
  private readonly tokens: VerifiedTokens;

  constructor(
    private readonly snapshots: CurrentSnapshot,
    private readonly access: AdminAccess,
    private readonly bus: Bus,
    private readonly stream: AuditStream,
    private readonly lastUses: LastUses,
    private readonly config: PolicyConfig,
  ) {
    this.tokens = new VerifiedTokens(config.publicUrl, null);
  }

  /** `caller` is the enforcement point that asks. */
  async evaluate(evaluation: Evaluation, caller: Caller): Promise<DecisionAnswer> {
    const decision = await this.decide(evaluation, caller.trace);
    if (!decision.allowed) await this.stream.append('audit', this.denialOf(evaluation, decision, caller));
    return { decision: decision.allowed };
  }

  /** In order, and no further than the batch's semantics go; what is not complete counts as denied. */
  async evaluateBatch({ evaluations, semantics }: EvaluationBatch, caller: Caller): Promise<DecisionAnswer[]> {
    const answers: DecisionAnswer[] = [];
    const denials: CloudEvent[] = [];
    const answerTo = async (evaluation: Evaluation): Promise<DecisionAnswer> => {
      const decision = await this.decide(evaluation, caller.trace);
      if (!decision.allowed) denials.push(this.denialOf(evaluation, decision, caller));
      return { decision: decision.allowed };
    };
    for (const evaluation of evaluations) {
      const answer = 'invalid' in evaluation ? undecidable(evaluation.invalid) : await answerTo(evaluation);
      answers.push(answer);
      if (endsBatch[semantics](answer.decision)) break;
    }
    // Together: one after the other, each would wait for an acknowledgement of its own.
    await Promise.all(denials.map((denial) => this.stream.append('audit', denial)));
    return answers;
  }

  private async decide(evaluation: Evaluation, trace: Trace): Promise<AccessDecision> {
    const now = Math.floor(Date.now() / 1000);
    const decision = await decideAccess({
      snapshot: this.snapshots.current(),
      evaluation,
      verify: async (token) => this.tokens.verify(token, await this.access.verificationKeys(), now),
      check: (token) => this.bus.request(checkToken, token, trace),
      now,
    });
    this.lastUses.noteDecision(decision);
    return decision;
  }

  private denialOf(evaluation: Evaluation, decision: AccessDecision, { author, trace }: Caller): CloudEvent {
    const { subject, jti, roles, policies, statements, revision, reason } = decision;
    return createEvent({
      type: 'dev.countersign.decision.denied.v1',
      source: this.config.publicUrl,
      subject,
      data: {
        outcome: 'denied',
        reason,
        subject: { type: evaluation.subject.type, id: subject },
        action: evaluation.action.name,
        resource: `${evaluation.resource.type}:${evaluation.resource.id}`,
        decision: { roles, policies, statements, revision },
        token: jti === null ? null : { jti },
        enforcementPoint: author,
        sourceIp: evaluation.context['sourceIp'] ?? null,
        traceId: trace.traceId,
        requestId: trace.requestId,
      },
      trace,
    });
  }
}
