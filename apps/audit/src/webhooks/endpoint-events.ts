import type { CloudEvent, EventType } from '@countersign/contracts';
import { AuditStream } from '@countersign/messaging';
import { createEvent, type Caller } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import { AuditConfig } from '../config';

export type EndpointAction = 'created' | 'updated' | 'disabled' | 'deleted' | 'rotated' | 'test';

export interface EndpointActivity {
  action: EndpointAction;
  webhookId: string;
  url: string;
  /** Who did it; `system` for what receivers brought about. */
  caller: Caller;
  details?: Record<string, unknown>;
}

const TYPES: Record<EndpointAction, EventType> = {
  created: 'dev.countersign.webhook.created.v1',
  updated: 'dev.countersign.webhook.updated.v1',
  disabled: 'dev.countersign.webhook.disabled.v1',
  deleted: 'dev.countersign.webhook.deleted.v1',
  rotated: 'dev.countersign.webhook.secret_rotated.v1',
  test: 'dev.countersign.webhook.test.v1',
};

/** What happens to webhook endpoints is part of the trail itself. */
@Injectable()
export class EndpointEvents {
  constructor(
    private readonly stream: AuditStream,
    private readonly config: AuditConfig,
  ) {}

  /** Resolves with the event when the stream has acknowledged it. Throws UnavailableError. */
  async record({ action, webhookId, url, caller, details }: EndpointActivity): Promise<CloudEvent> {
    const { author, trace } = caller;
    // Only the host: the rest of a webhook's URL often is a secret of its owner.
    const data = { webhookId, host: new URL(url).host, author, ...details, traceId: trace.traceId };
    const event = createEvent({
      type: TYPES[action],
      source: this.config.publicUrl,
      subject: `webhook:${webhookId}`,
      data,
      trace,
    });
    await this.stream.append('audit', event);
    return event;
  }
}
