import { Logger } from '@countersign/platform';
import { Injectable, Optional, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditConfig } from '../config';
import { Retention } from './retention';
import { RetentionSettings } from './retention-settings';

/** Has retention look at the start and then every hour; never, when the trail is kept for ever. */
@Injectable()
export class RetentionSchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> = Promise.resolve();
  private stopping = false;

  constructor(
    private readonly retention: Retention,
    private readonly config: AuditConfig,
    private readonly logger: Logger,
    @Optional() private readonly settings: RetentionSettings = new RetentionSettings(),
  ) {}

  onApplicationBootstrap(): void {
    const { auditRetentionDays } = this.config;
    if (auditRetentionDays !== undefined) this.plan(auditRetentionDays, 0);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    await this.working;
  }

  private plan(days: number, pauseMs: number): void {
    if (this.stopping) return;
    this.timer = setTimeout(() => {
      this.working = this.work(days).then((nextPauseMs) => this.plan(days, nextPauseMs));
    }, pauseMs);
  }

  /** Resolves with the pause until the next look; never rejects. */
  private async work(days: number): Promise<number> {
    const { intervalMs, soonMs, retryMs } = this.settings;
    try {
      let next = await this.retention.step(days);
      while (next === 'again' && !this.stopping) next = await this.retention.step(days);
      return next === 'soon' ? soonMs : intervalMs;
    } catch (error) {
      this.logger.warn('retention could not go on', { reason: String(error) });
      return retryMs;
    }
  }
}
