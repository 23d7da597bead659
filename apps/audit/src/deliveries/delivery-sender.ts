import type { DeliveredEvent } from '@countersign/contracts';
import { Clock, Metrics, SealError } from '@countersign/platform';
import { SafeHttp, SafeHttpError } from '@countersign/safe-http';
import {
  nextDeliveryState,
  openFaasMessage,
  signMessage,
  type AttemptOutcome,
  type DeliveryState,
} from '@countersign/webhooks';
import { Injectable, Optional } from '@nestjs/common';
import { AuditConfig } from '../config';
import { EndpointSecrets } from '../webhooks/endpoint-secrets';
import { deliveredEvent } from './delivered-event';
import type { AttemptRecord } from './delivery-outcomes';
import type { LeasedDelivery } from './delivery-queue';
import { DeliverySettings } from './delivery-settings';

interface Answer {
  outcome: AttemptOutcome;
  retryAfter?: string | undefined;
}

interface Message {
  body: string;
  headers: Record<string, string>;
}

/** Makes one attempt: a signed POST whose body and id are the same every time. */
@Injectable()
export class DeliverySender {
  private readonly attempts;

  constructor(
    private readonly http: SafeHttp,
    private readonly secrets: EndpointSecrets,
    private readonly clock: Clock,
    private readonly config: AuditConfig,
    metrics: Metrics,
    @Optional() private readonly settings: DeliverySettings = new DeliverySettings(),
  ) {
    const help = 'Delivery attempts by what came of them';
    this.attempts = metrics.counter('countersign_webhook_attempts_total', help, ['result']);
  }

  /** Never throws: a failure is an outcome too. */
  async send(delivery: LeasedDelivery): Promise<{ attempt: AttemptRecord; state: DeliveryState }> {
    const startedAt = this.clock.now();
    const { outcome, retryAfter } = await this.post(delivery, Math.floor(startedAt / 1000));
    const endedAt = this.clock.now();
    const state = nextDeliveryState({
      attemptsMade: delivery.attemptsMade + 1,
      outcome,
      retryAfter,
      now: Math.floor(endedAt / 1000),
      random: this.settings.random(),
      delays: this.settings.delays,
    });
    this.attempts.inc({ result: state.kind });
    const attempt = {
      at: new Date(startedAt).toISOString(),
      responseStatus: 'status' in outcome ? outcome.status : null,
      error: 'error' in outcome ? outcome.error : null,
      durationMs: endedAt - startedAt,
    };
    return { attempt, state };
  }

  private async post(delivery: LeasedDelivery, timestamp: number): Promise<Answer> {
    const { attemptTimeoutMs: timeoutMs, maxAnswerBytes: maxBytes } = this.settings;
    try {
      const { body, headers } = this.message(delivery, timestamp);
      const answer = await this.http.post(delivery.url, body, { timeoutMs, maxBytes, headers });
      return { outcome: { status: answer.status }, retryAfter: answer.headers['retry-after'] };
    } catch (error) {
      return { outcome: { error: errorClass(error) } };
    }
  }

  private message(delivery: LeasedDelivery, timestamp: number): Message {
    const event = bodyOf(delivery);
    const secrets = delivery.sealedSecrets.map((sealed) => this.secrets.open(sealed));
    const { body, headers } =
      delivery.format === 'openfaas'
        ? // There is one signature in this format: the current secret's.
          openFaasMessage({ id: delivery.id, event, secret: secrets[0] ?? '' })
        : this.standardMessage(delivery, { body: JSON.stringify(event), secrets, timestamp });
    const origin = delivery.handshake ? { 'webhook-request-origin': new URL(this.config.publicUrl).hostname } : {};
    return { body, headers: { ...headers, ...origin, 'user-agent': 'countersign' } };
  }

  /** Standard Webhooks. */
  private standardMessage(
    { id, webhookId }: LeasedDelivery,
    { body, secrets, timestamp }: { body: string; secrets: string[]; timestamp: number },
  ): Message {
    const privateKey = this.secrets.signingKey(webhookId);
    const headers = {
      'content-type': 'application/cloudevents+json',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signMessage({ id, timestamp, body, secrets, privateKey }),
    };
    return { body, headers };
  }
}

function bodyOf({ event, endpointSequence, chainHead }: LeasedDelivery): DeliveredEvent {
  const link = endpointSequence === null || chainHead === null ? null : { endpointSequence, chainHead };
  return deliveredEvent(event, link);
}

/** The class only: messages may name what the receiver's network looks like from inside. */
function errorClass(error: unknown): string {
  if (error instanceof SafeHttpError) return error.reason;
  return error instanceof SealError ? 'secret' : 'internal';
}
