import { Logger, Schedule } from '@countersign/platform';
import { Injectable, Optional, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditConfig } from '../config';
import { Retention } from './retention';
import { RetentionSettings } from './retention-settings';

/** Has retention look at the start and then every hour; never, when the trail is kept for ever. */
@Injectable()
export class RetentionSchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private schedule: Schedule | undefined;

  constructor(
    private readonly retention: Retention,
    private readonly config: AuditConfig,
    private readonly logger: Logger,
    @Optional() private readonly settings: RetentionSettings = new RetentionSettings(),
  ) {}

  onApplicationBootstrap(): void {
    const { auditRetentionDays: days } = this.config;
    if (days === undefined) return;
    const schedule: Schedule = new Schedule(() => this.work(days, schedule));
    schedule.start(0);
    this.schedule = schedule;
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.schedule?.stop();
  }

  private async work(days: number, schedule: Schedule): Promise<number> {
    const { intervalMs, soonMs, retryMs } = this.settings;
    try {
      let next = await this.retention.step(days);
      while (next === 'again' && !schedule.isStopping) next = await this.retention.step(days);
      return next === 'soon' ? soonMs : intervalMs;
    } catch (error) {
      this.logger.warn('retention could not go on', { reason: String(error) });
      return retryMs;
    }
  }
}
