import type { AuditStreamName, CloudEvent, EventType, ExchangeEventData } from '@countersign/contracts';
import { AuditStream } from '@countersign/messaging';
import { createEvent, Logger, Metrics } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import { ExchangeConfig } from '../config';
import type { Refusal } from '../token/refusal';
import { describeAttempt, type Attempt, type IssuedToken } from './attempt';
import { RefusalBudget } from './refusal-budget';

/** Records every attempt, once, before its answer leaves. */
@Injectable()
export class ExchangeTrail {
  private readonly attempts;

  constructor(
    private readonly config: ExchangeConfig,
    private readonly stream: AuditStream,
    private readonly budget: RefusalBudget,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.attempts = metrics.counter('countersign_exchanges_total', 'Attempts by outcome', ['outcome', 'class']);
  }

  /** Resolves when the stream has acknowledged it: only then may the token leave. Throws UnavailableError. */
  async granted(attempt: Attempt, issued: IssuedToken): Promise<void> {
    const data = describeAttempt(attempt, { outcome: 'granted', class: null, reason: null, detail: null }, issued);
    await this.stream.append('audit', this.event('dev.countersign.exchange.granted.v1', attempt, data));
    this.attempts.inc({ outcome: 'granted', class: '' });
  }

  /**
   * Refusals after the signature was verified are part of the trail; those before it are what any stranger can
   * cause, so they go to the bounded stream, and above a rate only their number does.
   */
  async denied(attempt: Attempt, { record }: Refusal): Promise<void> {
    this.attempts.inc({ outcome: 'denied', class: record.class ?? 'request' });
    const verified = attempt.subject !== null;
    if (!verified && !this.budget.take(record.reason)) return;
    const data = describeAttempt(attempt, { outcome: 'denied', ...record }, null);
    const stream: AuditStreamName = verified ? 'audit' : 'refusals';
    await this.stream.append(stream, this.event('dev.countersign.exchange.denied.v1', attempt, data));
  }

  /** One of too many refusals: only their number is recorded. */
  counted({ record }: Refusal): void {
    this.attempts.inc({ outcome: 'denied', class: record.class ?? 'request' });
    this.budget.add(record.reason);
  }

  /** The grant may stand in the trail although its token never left: say so, in our own time. */
  voided(attempt: Attempt, issued: IssuedToken): void {
    const data = describeAttempt(
      attempt,
      { outcome: 'voided', class: null, reason: 'not_recorded', detail: null },
      issued,
    );
    const event = this.event('dev.countersign.exchange.voided.v1', attempt, data);
    this.stream.append('audit', event).catch((error: unknown) => {
      const { traceId } = attempt.trace;
      this.logger.warn('voided exchange not recorded', { traceId, jti: issued.claims.jti, reason: String(error) });
    });
  }

  private event(type: EventType, attempt: Attempt, data: ExchangeEventData): CloudEvent {
    const { subject, trace } = attempt;
    const about = subject === null ? null : `${subject.issuer}:${subject.sub}`;
    return createEvent({ type, source: this.config.publicUrl, subject: about, data, trace });
  }
}
