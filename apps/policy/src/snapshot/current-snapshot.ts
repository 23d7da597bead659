import { policyChanged, type IssuerRegistration } from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { Logger, Readiness, UnavailableError } from '@countersign/platform';
import type { Snapshot } from '@countersign/policy-engine';
import { Injectable, Optional, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { registrationOf } from '../documents/check-issuers';
import { newestRevision, type NewestRevision } from '../documents/revision-rows';
import { PolicyDatabase } from '../policy-database';
import { CompileDocuments } from './compile-documents';
import { DatabaseFollower } from './database-follower';
import { MonotonicClock } from './monotonic-clock';

const POLL_MS = 10_000;
/** How long decisions go on from a revision that could not be confirmed to be the newest. */
const MAX_UNCONFIRMED_MS = 5 * 60_000;

interface Loaded {
  newest: NewestRevision;
  snapshot: Snapshot;
  issuers: IssuerRegistration[];
}

/**
 * The newest revision, compiled, in memory: what every decision is made from. Follows announcements, and the database
 * itself where one got lost.
 */
@Injectable()
export class CurrentSnapshot implements OnApplicationBootstrap, OnModuleDestroy {
  private loaded: Loaded | null = null;
  private confirmedAt = 0;
  private readonly follower: DatabaseFollower;

  constructor(
    private readonly database: PolicyDatabase,
    private readonly bus: Bus,
    private readonly readiness: Readiness,
    private readonly logger: Logger,
    private readonly documents: CompileDocuments,
    @Optional() private readonly clock: MonotonicClock = new MonotonicClock(),
  ) {
    this.follower = new DatabaseFollower({
      database,
      pollMs: POLL_MS,
      follow: () => this.follow(),
      failed: (error) => this.logger.warn('cannot confirm the revision', { error: describe(error) }),
    });
  }

  onApplicationBootstrap(): void {
    this.readiness.add('snapshot', async () => void this.current());
    this.bus.subscribe(policyChanged, () => this.refresh());
    this.follower.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.follower.stop();
  }

  /** @throws UnavailableError when nothing is loaded yet, or nothing confirmed it for five minutes */
  current(): Snapshot {
    return this.usable().snapshot;
  }

  /** The trusted issuers of the same revision, disabled ones included. */
  issuers(): { revision: number; issuers: IssuerRegistration[] } {
    const { snapshot, issuers } = this.usable();
    return { revision: snapshot.revision, issuers };
  }

  /** Whether this revision or a later one has been loaded. */
  has(revision: number): boolean {
    return this.loaded !== null && this.loaded.snapshot.revision >= revision;
  }

  /** Resolves when whatever was committed before the call is in force here, or the attempt failed and was logged. */
  refresh(): Promise<void> {
    return this.follower.refresh();
  }

  private usable(): Loaded {
    if (this.loaded === null || this.clock.now() - this.confirmedAt > MAX_UNCONFIRMED_MS) {
      throw new UnavailableError('policy');
    }
    return this.loaded;
  }

  private async follow(): Promise<void> {
    const askedAt = this.clock.now();
    const newest = await this.database.run(newestRevision);
    if (!isSame(newest, this.loaded?.newest)) this.loaded = await this.load();
    this.confirmedAt = askedAt;
  }

  private async load(): Promise<Loaded> {
    const { state, snapshot } = await this.documents.compileNewest();
    const { newest, documents } = state;
    const issuers: IssuerRegistration[] = [];
    for (const { kind, name, document } of documents.values()) {
      if (document === null) this.logger.error('stored document left out', { kind, name });
      else if (document.kind === 'JwtIssuer') issuers.push(registrationOf(document));
    }
    for (const problem of snapshot.errors) this.logger.error('stored document left out', { problem });
    this.logger.info('policy snapshot compiled', { revision: newest.number, documents: documents.size });
    return { newest, snapshot, issuers };
  }
}

const isSame = (a: NewestRevision, b: NewestRevision | undefined): boolean =>
  a.number === b?.number && a.createdAt === b.createdAt;

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error));
