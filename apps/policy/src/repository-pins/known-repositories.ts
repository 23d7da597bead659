import { repositoryPinsChanged } from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { Logger } from '@countersign/platform';
import { pinKey, type RepositoryPin, type RepositoryPins } from '@countersign/policy-engine';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { PolicyDatabase } from '../policy-database';
import { DatabaseFollower } from '../snapshot/database-follower';
import { allPins, pinsVersion } from './pin-rows';

const POLL_MS = 10_000;
/** All pins may be many. */
const READ_LIMIT = { limitMs: 5_000 };

/**
 * The pins in memory, for the engine. What is missing here is looked for in the database before anything is granted;
 * what was deleted there goes by an announcement, or by the poll where that got lost.
 */
@Injectable()
export class KnownRepositories implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly known = new Map<string, RepositoryPin>();
  /** Of the pins as they were read; null when others have come since. */
  private version: string | null = null;
  private readonly follower: DatabaseFollower;

  constructor(
    private readonly database: PolicyDatabase,
    private readonly bus: Bus,
    logger: Logger,
  ) {
    this.follower = new DatabaseFollower({
      database,
      pollMs: POLL_MS,
      follow: () => this.follow(),
      failed: (error) => logger.warn('cannot read the pins of repositories', { error: String(error) }),
    });
  }

  onApplicationBootstrap(): void {
    this.bus.subscribe(repositoryPinsChanged, () => this.refresh());
    this.follower.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.follower.stop();
  }

  /** Gains and loses entries as they become known. */
  get pins(): RepositoryPins {
    return this.known;
  }

  add({ iss, path, repositoryId, ownerId }: RepositoryPin): void {
    const pin = { iss, path, repositoryId, ownerId };
    this.known.set(pinKey(pin), pin);
    // Made and deleted again, it would leave the version as it was.
    this.version = null;
  }

  /** Resolves when what was committed before the call is known here, or the attempt failed and was logged. */
  refresh(): Promise<void> {
    return this.follower.refresh();
  }

  private async follow(): Promise<void> {
    const version = await this.database.run(pinsVersion);
    if (version === this.version) return;
    const pins = await this.database.transaction(allPins, READ_LIMIT);
    this.known.clear();
    for (const pin of pins) this.add(pin);
    this.version = version;
  }
}
