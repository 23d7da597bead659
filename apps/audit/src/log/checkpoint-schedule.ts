import { Logger, Schedule } from '@countersign/platform';
import { Injectable, Optional, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { CheckpointRow } from './checkpoint-rows';
import { CheckpointWriter } from './checkpoint-writer';
import { LogSettings } from './log-settings';
import { Witnesses } from './witnesses';

/** Writes checkpoints while the trail grows, and sends them off this machine. */
@Injectable()
export class CheckpointSchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly schedule = new Schedule(() => this.work());

  constructor(
    private readonly writer: CheckpointWriter,
    private readonly witnesses: Witnesses,
    private readonly logger: Logger,
    @Optional() private readonly settings: LogSettings = new LogSettings(),
  ) {}

  onApplicationBootstrap(): void {
    this.schedule.start(this.settings.intervalMs);
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.schedule.stop();
  }

  private async work(): Promise<number> {
    try {
      let latest: CheckpointRow | null = null;
      for (let next = await this.writer.advance(); next !== null; next = await this.writer.advance()) {
        latest = next;
        // A long backlog is gone through in many steps, and none of them is lost.
        if (this.schedule.isStopping) break;
      }
      await this.witnesses.send(latest?.note ?? null);
    } catch (error) {
      this.logger.debug('cannot write a checkpoint', { reason: String(error) });
    }
    return this.settings.intervalMs;
  }
}
