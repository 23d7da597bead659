import { Clock, Logger, Schedule } from '@countersign/platform';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { AccessDecision } from '../access/decide-access';
import { BATCH_LIMIT, PolicyDatabase } from '../policy-database';
import type { ExchangeAttempt } from '../recorded/exchange-attempt';
import { keyOf, latestOf, readUses, writeUses, type KnownUses, type Use } from './use-rows';
import { usesOfDecision, usesOfExchange } from './uses-of';

const FLUSH_MS = 60_000;

/**
 * Remembers when issuers, roles and statements were last of use, for longer than the record of exchanges goes back.
 * Uses are gathered here and written each minute. The first in an exchange is written as its event comes, so that it
 * is never forgotten that there was one.
 */
@Injectable()
export class LastUses implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly gathered = new Map<string, Use>();
  /** Keys of what has just been written: what follows can wait. */
  private recent = new Set<string>();
  /** The stream may begin before the table did: epoch milliseconds that it has not been told yet. */
  private earliest = Infinity;
  private readonly flushing = new Schedule(() => this.tryToFlush().then(() => FLUSH_MS));

  constructor(
    private readonly database: PolicyDatabase,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.flushing.start(FLUSH_MS);
  }

  async onModuleDestroy(): Promise<void> {
    await this.flushing.stop();
    await this.tryToFlush();
  }

  /** Resolves once a use is written of each that had none within the last minute. @throws UnavailableError */
  async recordExchanges(attempts: readonly ExchangeAttempt[]): Promise<void> {
    const uses = attempts.flatMap(usesOfExchange);
    for (const { usedAt } of uses) this.earliest = Math.min(this.earliest, usedAt.getTime());
    const unwritten: Use[] = [];
    for (const [key, use] of latestOf(uses)) {
      this.gather(key, use);
      if (!this.recent.has(key)) unwritten.push(use);
    }
    await this.write(unwritten);
  }

  noteDecision(decision: AccessDecision): void {
    for (const use of usesOfDecision(decision, new Date(this.clock.now()))) this.gather(keyOf(use), use);
  }

  /** What is known, with what this replica has gathered. @throws UnavailableError */
  async known(): Promise<KnownUses> {
    await this.flush();
    return this.database.transaction(readUses, BATCH_LIMIT);
  }

  private gather(key: string, use: Use): void {
    const known = this.gathered.get(key);
    if (known === undefined || known.usedAt <= use.usedAt) this.gathered.set(key, use);
  }

  private async flush(): Promise<void> {
    const uses = [...this.gathered.values()];
    await this.write(uses);
    this.recent = new Set(uses.map(keyOf));
  }

  private async write(uses: readonly Use[]): Promise<void> {
    if (uses.length === 0) return;
    const { earliest } = this;
    await writeUses(this.database, uses, earliest === Infinity ? null : new Date(earliest));
    if (this.earliest === earliest) this.earliest = Infinity;
    for (const use of uses) {
      const key = keyOf(use);
      this.recent.add(key);
      // One that came meanwhile is later, and another object.
      if (this.gathered.get(key) === use) this.gathered.delete(key);
    }
  }

  private async tryToFlush(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      this.logger.warn('last uses not written; they are kept for the next time', { reason: String(error) });
    }
  }
}
