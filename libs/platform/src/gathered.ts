/** Behind work that takes longer than this nobody waits: a time limit of the work then is about that of its callers. */
const LONGEST_WAIT_MS = 100;

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (reason: unknown) => void;
}

export interface GatheredOptions<Item, Result> {
  /** Most items of one call of `work`. */
  most: number;
  /** Resolves with a result for each item, in their order. When it rejects, each of them is rejected. */
  work: (items: Item[]) => Promise<readonly Result[]>;
}

/**
 * Items that come while the work for others goes on wait for it, and go into the next call together. One that comes
 * alone waits for nothing, and no one longer than 100 ms: then the next call begins beside one that has not ended.
 */
export class Gathered<Item, Result> {
  private readonly waiting: Waiting<Item, Result>[] = [];
  private readonly calls = new Set<Promise<void>>();
  private isHeld = false;

  constructor(private readonly options: GatheredOptions<Item, Result>) {}

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (!this.isHeld) this.next();
    });
  }

  /** Resolves when nothing waits or goes on. */
  async settled(): Promise<void> {
    while (this.calls.size > 0) await Promise.all(this.calls);
  }

  private next(): void {
    const group = this.waiting.splice(0, this.options.most);
    this.isHeld = group.length > 0;
    if (!this.isHeld) return;
    let hasPassed = false;
    const pass = (): void => {
      clearTimeout(timer);
      if (!hasPassed) this.next();
      hasPassed = true;
    };
    const timer = setTimeout(pass, LONGEST_WAIT_MS);
    const call = this.run(group).then(() => {
      // In this order: whoever waits for all of them shall see the next one.
      pass();
      this.calls.delete(call);
    });
    this.calls.add(call);
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
