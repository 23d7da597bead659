import type { CloudEvent } from '@countersign/contracts';
import { Clock, Logger } from '@countersign/platform';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { AccessDecision } from '../access/decide-access';
import { PolicyDatabase } from '../policy-database';
import { beginBefore, keyOf, latestOf, readUses, writeUses, type KnownUses, type Use } from './use-rows';
import { usesOfDecision, usesOfExchange } from './uses-of';

const FLUSH_MS = 60_000;
/** All uses may be many. */
const LIMIT = { limitMs: 5_000 };

/**
 * Remembers when issuers, roles and statements were last of use, for longer than the record of exchanges goes back.
 * Uses in exchanges are written as their events come; those in decisions are gathered here, and written each minute.
 */
@Injectable()
export class LastUses implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly gathered = new Map<string, Use>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: PolicyDatabase,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.tryToFlush(), FLUSH_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.tryToFlush();
  }

  /** Resolves once they are written. @throws UnavailableError */
  async recordExchanges(events: readonly CloudEvent[]): Promise<void> {
    const uses = events.flatMap(usesOfExchange);
    if (uses.length === 0) return;
    const earliest = new Date(Math.min(...uses.map(({ usedAt }) => usedAt.getTime())));
    await this.database.transaction(async (queries) => {
      await writeUses(queries, latestOf(uses));
      await beginBefore(queries, earliest);
    }, LIMIT);
  }

  noteDecision(decision: AccessDecision): void {
    for (const use of usesOfDecision(decision, new Date(this.clock.now()))) this.gathered.set(keyOf(use), use);
  }

  /** What is known, with what this replica has gathered. @throws UnavailableError */
  async known(): Promise<KnownUses> {
    await this.flush();
    return this.database.transaction(readUses, LIMIT);
  }

  private async flush(): Promise<void> {
    const uses = [...this.gathered.values()];
    if (uses.length === 0) return;
    await this.database.transaction((queries) => writeUses(queries, uses), LIMIT);
    // One that came meanwhile is later, and another object.
    for (const use of uses) if (this.gathered.get(keyOf(use)) === use) this.gathered.delete(keyOf(use));
  }

  private async tryToFlush(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      this.logger.warn('last uses not written; they are kept for the next time', { reason: String(error) });
    }
  }
}
