import { setTimeout as delay } from 'node:timers/promises';
import { provisionStreams, type NatsLink } from '@countersign/messaging';
import type { Logger } from '@countersign/platform';

const PAUSE_MS = 1_000;

/** Makes the audit streams as soon as NATS is there; resolves when they exist. */
export async function provisionWhenPossible(link: NatsLink, logger: Logger, replicas: number): Promise<void> {
  for (;;) {
    try {
      const created = await provisionStreams(link, { replicas });
      if (created.length > 0) logger.info('streams created', { streams: created });
      return;
    } catch (error) {
      logger.warn('cannot make the audit streams; trying again', { reason: String(error) });
      await delay(PAUSE_MS, undefined, { ref: false });
    }
  }
}
