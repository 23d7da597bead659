import { Schedule } from '@countersign/platform';

export interface FollowerOptions {
  database: { whenReady(): Promise<void> };
  pollMs: number;
  /** Brings memory up to date; runs never overlap. */
  follow: () => Promise<void>;
  failed: (error: unknown) => void;
}

/** Keeps memory in step with the database: from when it is there, at announcements, and by a poll where one got lost. */
export class DatabaseFollower {
  private refreshing: Promise<void> = Promise.resolve();
  private readonly polling = new Schedule(() => this.refresh().then(() => this.options.pollMs));

  constructor(private readonly options: FollowerOptions) {}

  start(): void {
    this.options.database.whenReady().then(
      () => this.polling.start(0),
      // Closed before it was ever there.
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    await this.polling.stop();
    await this.refreshing;
  }

  /** Resolves when what was committed before the call is known here, or the attempt failed. */
  refresh(): Promise<void> {
    // One after the other: a reading that began earlier must never replace the outcome of a later one.
    this.refreshing = this.refreshing
      .then(() => (this.polling.isStopping ? undefined : this.options.follow()))
      .catch(this.options.failed);
    return this.refreshing;
  }
}
