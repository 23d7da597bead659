import { AUDIT_STREAMS, type AuditStreamName } from '@countersign/contracts';
import { AuditStream } from '@countersign/messaging';
import { Metrics } from '@countersign/platform';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { DeliveryWorker } from '../deliveries/delivery-worker';
import { EventFeed } from './event-feed';
import { TrailWriter } from './trail-writer';

const BATCH_SIZE = 100;

/** Carries both streams into the trail; a batch is acknowledged after its commit. */
@Injectable()
export class TrailConsumer implements OnApplicationBootstrap {
  private readonly stored;

  constructor(
    private readonly stream: AuditStream,
    private readonly writer: TrailWriter,
    private readonly worker: DeliveryWorker,
    private readonly feed: EventFeed,
    metrics: Metrics,
  ) {
    this.stored = metrics.counter('countersign_audit_events_total', 'Events stored in the trail', ['stream']);
  }

  onApplicationBootstrap(): void {
    for (const stream of Object.keys(AUDIT_STREAMS) as AuditStreamName[]) {
      this.stream.consume({
        stream,
        durable: 'audit',
        batchSize: BATCH_SIZE,
        handler: async (batch) => {
          this.stored.inc({ stream }, await this.writer.store(stream, batch));
          this.worker.wake();
          this.feed.wake();
        },
      });
    }
  }
}
