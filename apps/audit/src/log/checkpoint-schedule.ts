import { Logger } from '@countersign/platform';
import { Injectable, Optional, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { CheckpointRow } from './checkpoint-rows';
import { CheckpointWriter } from './checkpoint-writer';
import { LogSettings } from './log-settings';
import { Witnesses } from './witnesses';

/** Writes checkpoints while the trail grows, and sends them off this machine. */
@Injectable()
export class CheckpointSchedule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> = Promise.resolve();
  private stopping = false;

  constructor(
    private readonly writer: CheckpointWriter,
    private readonly witnesses: Witnesses,
    private readonly logger: Logger,
    @Optional() private readonly settings: LogSettings = new LogSettings(),
  ) {}

  onApplicationBootstrap(): void {
    this.plan();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    await this.working;
  }

  private plan(): void {
    if (this.stopping) return;
    this.timer = setTimeout(() => {
      this.working = this.work().finally(() => this.plan());
    }, this.settings.intervalMs);
  }

  /** Never rejects. */
  private async work(): Promise<void> {
    try {
      let latest: CheckpointRow | null = null;
      for (let next = await this.writer.advance(); next !== null; next = await this.writer.advance()) {
        latest = next;
        // A long backlog is gone through in many steps, and none of them is lost.
        if (this.stopping) break;
      }
      await this.witnesses.send(latest?.note ?? null);
    } catch (error) {
      this.logger.debug('cannot write a checkpoint', { reason: String(error) });
    }
  }
}
