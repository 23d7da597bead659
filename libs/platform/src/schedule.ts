/** Work that is done again and again, one turn after the other, until it is stopped. */
export class Schedule {
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> = Promise.resolve();
  private stopping = false;

  /** `work` resolves with the milliseconds until its next turn, and never rejects. */
  constructor(private readonly work: () => Promise<number>) {}

  /** For work of many steps, to ask between them. */
  get isStopping(): boolean {
    return this.stopping;
  }

  /** The first turn comes after so many milliseconds. */
  start(pauseMs: number): void {
    if (this.stopping) return;
    this.timer = setTimeout(() => {
      this.working = this.work().then((nextPauseMs) => this.start(nextPauseMs));
    }, pauseMs);
  }

  /** No turn begins any more; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    await this.working;
  }
}
