import { AUDIT_STREAMS, type AuditStreamName } from '@countersign/contracts';
import { AuditStream } from '@countersign/messaging';
import { Metrics } from '@countersign/platform';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditConfig } from '../config';
import { DeliveryWorker } from '../deliveries/delivery-worker';
import { EventFeed } from './event-feed';
import { unreadableEvent } from './placeholder-event';
import { TrailWriter } from './trail-writer';

const BATCH_SIZE = 250;
/** The name that the trail's place in the streams is kept under. */
export const DURABLE = 'audit';
export const STREAMS = Object.keys(AUDIT_STREAMS) as AuditStreamName[];

/** Carries both streams into the trail; a batch is acknowledged after its commit. */
@Injectable()
export class TrailConsumer implements OnApplicationBootstrap {
  private readonly stored;
  private readonly unreadable;

  constructor(
    private readonly stream: AuditStream,
    private readonly writer: TrailWriter,
    private readonly worker: DeliveryWorker,
    private readonly feed: EventFeed,
    private readonly config: AuditConfig,
    metrics: Metrics,
  ) {
    this.stored = metrics.counter('countersign_audit_events_total', 'Events stored in the trail', ['stream']);
    const help = 'Messages that are no events, each time they came';
    this.unreadable = metrics.counter('countersign_audit_unreadable_messages_total', help, ['stream']);
  }

  onApplicationBootstrap(): void {
    for (const stream of STREAMS) {
      this.stream.consume({
        stream,
        durable: DURABLE,
        batchSize: BATCH_SIZE,
        standIn: (message) => {
          this.unreadable.inc({ stream });
          return unreadableEvent(stream, message, this.config.publicUrl);
        },
        handler: async (batch) => {
          const { events, deliveries } = await this.writer.store(stream, batch);
          this.stored.inc({ stream }, events);
          if (deliveries > 0) this.worker.wake();
          this.feed.wake();
        },
      });
    }
  }
}
