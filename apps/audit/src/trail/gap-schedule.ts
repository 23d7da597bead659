import { Logger, Metrics, Schedule } from '@countersign/platform';
import { Injectable, Optional, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { GapCheck } from './gap-check';
import { GapSettings } from './gap-settings';
import { STREAMS } from './trail-consumer';

/** What could not be looked at, at a start above all, is looked at again so soon. */
const RETRY_MS = 2_000;

/** Has the streams looked at for gaps, for as long as the service runs. */
@Injectable()
export class GapSchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly missing;
  private readonly bytes;
  private readonly schedule = new Schedule(() => this.look());

  constructor(
    private readonly check: GapCheck,
    private readonly logger: Logger,
    metrics: Metrics,
    @Optional() private readonly settings: GapSettings = new GapSettings(),
  ) {
    const help = 'Messages that a stream had and the trail never got';
    this.missing = metrics.gauge('countersign_audit_stream_gap_events', help, ['stream']);
    this.bytes = metrics.gauge('countersign_audit_stream_bytes', 'Size of a stream in NATS, which may fill up', [
      'stream',
    ]);
  }

  onApplicationBootstrap(): void {
    this.schedule.start(0);
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.schedule.stop();
  }

  private async look(): Promise<number> {
    let pauseMs = this.settings.intervalMs;
    for (const stream of STREAMS) {
      try {
        const { missing, bytes } = await this.check.look(stream);
        this.missing.set({ stream }, missing);
        this.bytes.set({ stream }, bytes);
      } catch (error) {
        this.logger.debug('cannot look for gaps', { stream, reason: String(error) });
        pauseMs = Math.min(pauseMs, RETRY_MS);
      }
    }
    return pauseMs;
  }
}
