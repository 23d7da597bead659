import { Logger, Schedule } from '@countersign/platform';
import { Injectable, Optional, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditConfig } from '../config';
import { Retention } from './retention';
import { RetentionSettings } from './retention-settings';

/** Has retention look at the start and then every hour; never, when the trail is kept for ever. */
@Injectable()
export class RetentionSchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly schedule = new Schedule(() => this.work());

  constructor(
    private readonly retention: Retention,
    private readonly config: AuditConfig,
    private readonly logger: Logger,
    @Optional() private readonly settings: RetentionSettings = new RetentionSettings(),
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.auditRetentionDays !== undefined) this.schedule.start(0);
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.schedule.stop();
  }

  private async work(): Promise<number> {
    const { intervalMs, soonMs, retryMs } = this.settings;
    const days = this.config.auditRetentionDays ?? Infinity;
    try {
      let next = await this.retention.step(days);
      while (next === 'again' && !this.schedule.isStopping) next = await this.retention.step(days);
      return next === 'soon' ? soonMs : intervalMs;
    } catch (error) {
      this.logger.warn('retention could not go on', { reason: String(error) });
      return retryMs;
    }
  }
}
