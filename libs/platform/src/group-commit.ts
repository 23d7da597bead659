/** Behind work that takes longer than this nobody waits: a time limit of the work then is about that of its callers. */
const LONGEST_WAIT_MS = 100;

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (reason: unknown) => void;
}

export interface GroupCommitOptions<Item, Result> {
  /** Most items of one call of `work`. */
  most: number;
  /** Resolves with a result for each item, in their order. When it rejects, each of them is rejected. */
  work: (items: Item[]) => Promise<readonly Result[]>;
}

/**
 * Items that come while the work for others goes on wait for it, and go into the next call together. One that comes
 * alone goes in the same turn of the event loop, and none waits longer than 100 ms: then the next call begins beside
 * one that has not ended.
 */
export class GroupCommit<Item, Result> {
  private readonly waiting: Waiting<Item, Result>[] = [];
  private readonly calls = new Set<Promise<void>>();
  private isHeld = false;

  constructor(private readonly options: GroupCommitOptions<Item, Result>) {}

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (!this.isHeld) this.begin();
    });
  }

  /** Resolves when nothing waits or goes on. */
  async settled(): Promise<void> {
    while (this.calls.size > 0) await Promise.all(this.calls);
  }

  private begin(): void {
    this.isHeld = true;
    const call = this.call().then(() => void this.calls.delete(call));
    this.calls.add(call);
  }

  private async call(): Promise<void> {
    // What else comes in this turn goes with it.
    await new Promise((resolve) => setImmediate(resolve));
    const group = this.waiting.splice(0, this.options.most);
    let hasPassed = false;
    const pass = (): void => {
      clearTimeout(timer);
      if (hasPassed) return;
      hasPassed = true;
      this.isHeld = false;
      if (this.waiting.length > 0) this.begin();
    };
    const timer = setTimeout(pass, LONGEST_WAIT_MS);
    await this.run(group);
    pass();
  }

  private async run(group: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.options.work(group.map(({ item }) => item));
      group.forEach(({ resolve }, index) => resolve(results[index] as Result));
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}
