import { revocationsChanged, type TokenCheck } from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { Logger, Readiness, Schedule, UnavailableError } from '@countersign/platform';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ExchangeDatabase } from '../database';
import { isRevokedBy, type Revocation } from './revocation-matching';
import { readState, sweepRevocations } from './revocation-rows';

const POLL_MS = 1_000;
/** A copy that nobody confirmed for so long may miss what was revoked since. */
const MAX_UNCONFIRMED_MS = 5_000;
/** A transaction that began earlier may commit later: each poll reads this much again. */
const OVERLAP_SECONDS = 60;
const SWEEP_EVERY_MS = 60_000;

/**
 * All that is revoked, in memory: announcements and a poll of Postgres keep it at most a second old. Postgres has it
 * all, so that a store which lost its memory brings no revoked token back to life.
 */
@Injectable()
export class RevocationCopy implements OnApplicationBootstrap, OnApplicationShutdown {
  private revocations: Revocation[] = [];
  /** `jti` to the end of its memory, in epoch seconds. */
  private readonly tokens = new Map<string, number>();
  private readUntil = 0;
  private confirmedAt: number | null = null;
  private refreshing: Promise<void> = Promise.resolve();
  private readonly polling = new Schedule(() => this.poll());
  private sweptAt = 0;

  constructor(
    private readonly database: ExchangeDatabase,
    private readonly bus: Bus,
    private readonly logger: Logger,
    private readonly readiness: Readiness,
  ) {}

  onApplicationBootstrap(): void {
    this.readiness.add('revocations', async () => {
      if (this.confirmedAt === null) throw new UnavailableError('postgres');
    });
    this.bus.subscribe(revocationsChanged, () => this.refresh().catch(() => undefined));
    this.database.whenReady().then(
      () => this.polling.start(0),
      // Closed before it was ever there.
      () => undefined,
    );
  }

  async onApplicationShutdown(): Promise<void> {
    await this.polling.stop();
    await this.refreshing.catch(() => undefined);
  }

  /** Whether the token, or one it was narrowed from, is revoked. Throws UnavailableError while it cannot be said. */
  covers(token: TokenCheck): boolean {
    if (this.confirmedAt === null || this.monotonic() - this.confirmedAt > MAX_UNCONFIRMED_MS)
      throw new UnavailableError('postgres');
    if ([token.jti, ...token.parents].some((jti) => this.tokens.has(jti))) return true;
    return this.revocations.some((revocation) => isRevokedBy(revocation, token));
  }

  /** Resolves when all that was committed before the call is known here. Throws UnavailableError. */
  refresh(): Promise<void> {
    // One after the other: what was read earlier must never replace what was read later.
    this.refreshing = this.refreshing.catch(() => undefined).then(() => this.read());
    return this.refreshing;
  }

  /** Milliseconds on a clock that nobody sets back, to be replaced in tests that move it. */
  protected monotonic(): number {
    return performance.now();
  }

  private async poll(): Promise<number> {
    await this.refresh()
      .then(() => this.sweep())
      .catch((error: unknown) => this.logger.warn('cannot confirm what is revoked', { reason: String(error) }));
    return POLL_MS;
  }

  private async read(): Promise<void> {
    const askedAt = this.monotonic();
    const { now, revocations, tokens } = await readState(this.database, this.readUntil);
    this.revocations = revocations;
    for (const { jti, expiresAt } of tokens) this.tokens.set(jti, expiresAt);
    this.readUntil = now - OVERLAP_SECONDS;
    this.confirmedAt = askedAt;
  }

  private async sweep(): Promise<void> {
    if (performance.now() - this.sweptAt < SWEEP_EVERY_MS) return;
    this.sweptAt = performance.now();
    const now = Date.now() / 1000;
    for (const [jti, expiresAt] of this.tokens) if (expiresAt < now) this.tokens.delete(jti);
    await sweepRevocations(this.database);
  }
}
