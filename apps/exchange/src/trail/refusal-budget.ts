import { AuditStream } from '@countersign/messaging';
import { createEvent, Logger, newTrace } from '@countersign/platform';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ExchangeConfig } from '../config';

const WINDOW_MS = 10_000;
const EVENTS_PER_WINDOW = 2_000;

/**
 * How many refusals of unverified tokens are recorded one by one; what is above that in a window is counted by
 * reason, and the counts are recorded at the window's end. Strangers cannot fill the trail.
 */
@Injectable()
export class RefusalBudget implements OnApplicationShutdown {
  private left = EVENTS_PER_WINDOW;
  private readonly counted = new Map<string, number>();
  private window: NodeJS.Timeout | null = null;

  constructor(
    private readonly config: ExchangeConfig,
    private readonly stream: AuditStream,
    private readonly logger: Logger,
  ) {}

  /** Whether this refusal is to be recorded by itself. Reasons come from a closed set, so the counts stay few. */
  take(reason: string): boolean {
    this.openWindow();
    this.left -= 1;
    if (this.left >= 0) return true;
    this.add(reason);
    return false;
  }

  /** Counts a refusal that is not recorded by itself. */
  add(reason: string): void {
    this.openWindow();
    this.counted.set(reason, (this.counted.get(reason) ?? 0) + 1);
  }

  private openWindow(): void {
    this.window ??= setTimeout(() => void this.endWindow(), WINDOW_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.window !== null) clearTimeout(this.window);
    await this.endWindow();
  }

  private async endWindow(): Promise<void> {
    this.window = null;
    this.left = EVENTS_PER_WINDOW;
    if (this.counted.size === 0) return;
    const data = { outcome: 'denied', windowSeconds: WINDOW_MS / 1000, reasons: Object.fromEntries(this.counted) };
    this.counted.clear();
    const type = 'dev.countersign.exchange.refusals_aggregated.v1';
    const event = createEvent({ type, source: this.config.publicUrl, subject: null, data, trace: newTrace() });
    await this.stream.append('refusals', event).catch((error: unknown) => {
      this.logger.warn('counted refusals not recorded', { reason: String(error) });
    });
  }
}
