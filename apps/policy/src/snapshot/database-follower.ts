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
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly options: FollowerOptions) {}

  start(): void {
    this.timer = setInterval(() => void this.refresh(), this.options.pollMs).unref();
    this.options.database.whenReady().then(
      () => this.refresh(),
      // Closed before it was ever there.
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.refreshing;
  }

  /** Resolves when what was committed before the call is known here, or the attempt failed. */
  refresh(): Promise<void> {
    // One after the other: a reading that began earlier must never replace the outcome of a later one.
    this.refreshing = this.refreshing
      .then(() => (this.stopped ? undefined : this.options.follow()))
      .catch(this.options.failed);
    return this.refreshing;
  }
}
