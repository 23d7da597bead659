import { checkToken } from '@countersign/contracts';
import { AuditStream, Bus } from '@countersign/messaging';
import { AdminAccess, createEvent, currentTrace } from '@countersign/platform';
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
  constructor(
    private readonly snapshots: CurrentSnapshot,
    private readonly access: AdminAccess,
    private readonly bus: Bus,
    private readonly stream: AuditStream,
    private readonly lastUses: LastUses,
    private readonly config: PolicyConfig,
  ) {}

  /** `author` is the enforcement point that asks. */
  async evaluate(evaluation: Evaluation, author: string): Promise<DecisionAnswer> {
    const decision = await decideAccess({
      snapshot: this.snapshots.current(),
      evaluation,
      publicUrl: this.config.publicUrl,
      keys: () => this.access.verificationKeys(),
      check: (token) => this.bus.request(checkToken, token),
      now: Math.floor(Date.now() / 1000),
    });
    this.lastUses.noteDecision(decision);
    if (!decision.allowed) await this.recordDenial(evaluation, decision, author);
    return { decision: decision.allowed };
  }

  /** In order, and no further than the batch's semantics go; what is not complete counts as denied. */
  async evaluateBatch({ evaluations, semantics }: EvaluationBatch, author: string): Promise<DecisionAnswer[]> {
    const answers: DecisionAnswer[] = [];
    for (const evaluation of evaluations) {
      const answer =
        'invalid' in evaluation ? undecidable(evaluation.invalid) : await this.evaluate(evaluation, author);
      answers.push(answer);
      if (endsBatch[semantics](answer.decision)) break;
    }
    return answers;
  }

  private async recordDenial(evaluation: Evaluation, decision: AccessDecision, author: string): Promise<void> {
    const { subject, jti, roles, policies, statements, revision, reason } = decision;
    const trace = currentTrace();
    const event = createEvent({
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
    await this.stream.append('audit', event);
  }
}
