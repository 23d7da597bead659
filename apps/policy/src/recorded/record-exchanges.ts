import { AUDIT_STREAMS, type AuditStreamName } from '@countersign/contracts';
import { AuditStream, type StreamedEvent } from '@countersign/messaging';
import { Logger, Metrics } from '@countersign/platform';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { LastUses } from '../stale/last-uses';
import { isExchange, readAttempt, type ExchangeAttempt } from './exchange-attempt';
import { ExchangeWriter } from './exchange-writer';

const BATCH_SIZE = 100;
/** A place of its own in both streams, beside that of the trail. */
const DURABLE = 'policy-recorded';

/** Carries the exchanges of both streams into policy's own record; a batch is acknowledged after its commit. */
@Injectable()
export class RecordExchanges implements OnApplicationBootstrap {
  private readonly stored;

  constructor(
    private readonly stream: AuditStream,
    private readonly writer: ExchangeWriter,
    private readonly lastUses: LastUses,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.stored = metrics.counter('countersign_recorded_exchanges_total', 'Exchanges that policy recorded', ['stream']);
  }

  onApplicationBootstrap(): void {
    for (const stream of Object.keys(AUDIT_STREAMS) as AuditStreamName[]) {
      this.stream.consume({
        stream,
        durable: DURABLE,
        batchSize: BATCH_SIZE,
        handler: async (batch) => {
          const attempts = batch.flatMap((streamed) => this.attemptOf(streamed) ?? []);
          this.stored.inc({ stream }, await this.writer.store(attempts));
          await this.lastUses.recordExchanges(attempts);
        },
      });
    }
  }

  /** Other events are passed over. */
  private attemptOf({ event, streamSequence }: StreamedEvent): ExchangeAttempt | null {
    if (!isExchange(event)) return null;
    const attempt = readAttempt(event);
    if (attempt === null) this.logger.error('not an exchange as events describe them, passed over', { streamSequence });
    return attempt;
  }
}
