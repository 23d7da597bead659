import { Logger, Metrics, Schedule } from '@countersign/platform';
import { Injectable, Optional, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { GapCheck } from './gap-check';
import { GapSettings } from './gap-settings';
import { STREAMS } from './trail-consumer';

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
    this.schedule.start(this.settings.intervalMs);
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.schedule.stop();
  }

  private async look(): Promise<number> {
    for (const stream of STREAMS) {
      try {
        const { missing, bytes } = await this.check.look(stream);
        this.missing.set({ stream }, missing);
        this.bytes.set({ stream }, bytes);
      } catch (error) {
        this.logger.debug('cannot look for gaps', { stream, reason: String(error) });
      }
    }
    return this.settings.intervalMs;
  }
}
