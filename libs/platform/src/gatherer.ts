export interface GathererOptions<Item, Result> {
  /** Most items of one call of `work`. */
  most: number;
  /** Most bytes of a call with several items; no bound unless given. Never throws: nobody would catch it. */
  mostBytes?: () => number;
  /** A call that has gone on for so long holds up the next one no more. */
  patienceMs: number;
  /** When an item is rejected, counted from `add`, and with what; never unless given. */
  deadline?: { milliseconds: number; late: () => Error };
  /**
   * Resolves with the result of each item, in their order; one that takes longer than the others is a promise. When it
   * rejects, each item is rejected.
   */
  work: (items: Item[]) => Promise<readonly (Result | Promise<Result>)[]>;
}

interface Open<Item, Result> {
  readonly item: Item;
  readonly bytes: number;
  /** On the clock of `performance.now()`. */
  readonly due: number;
  readonly promise: Promise<Result>;
  readonly resolve: (result: Result | Promise<Result>) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Items that come while the work for others goes on wait for it, and go into the next call together. What finds no call
 * under way goes in the same turn of the event loop, with what else comes in it; what fills a call does not wait.
 */
export class Gatherer<Item, Result> {
  private readonly waiting: Open<Item, Result>[] = [];
  /** What is not settled, oldest first. */
  private readonly open = new Set<Open<Item, Result>>();
  /** The call that the next one waits for. */
  private underWay: { patience: NodeJS.Timeout } | undefined;
  private isPlanned = false;
  private bytes = 0;
  private deadline: NodeJS.Timeout | undefined;

  constructor(private readonly options: GathererOptions<Item, Result>) {}

  /** The result of an item, which takes so many bytes. */
  add(item: Item, bytes = 0): Promise<Result> {
    const one = this.opened(item, bytes);
    this.open.add(one);
    this.waiting.push(one);
    this.bytes += bytes;
    this.watchDeadlines();
    if (this.isFull) this.flush();
    else this.plan();
    return one.promise;
  }

  /** Resolves when nothing waits or goes on. */
  async settled(): Promise<void> {
    while (this.open.size > 0) await Promise.allSettled([...this.open].map(({ promise }) => promise));
  }

  private opened(item: Item, bytes: number): Open<Item, Result> {
    let resolve!: Open<Item, Result>['resolve'];
    let reject!: Open<Item, Result>['reject'];
    const promise = new Promise<Result>((onResolve, onReject) => {
      resolve = (result) => {
        if (result instanceof Promise) result.then(resolve, reject);
        else if (this.open.delete(one)) onResolve(result);
      };
      reject = (error) => void (this.open.delete(one) && onReject(error));
    });
    const due = performance.now() + (this.options.deadline?.milliseconds ?? Infinity);
    const one: Open<Item, Result> = { item, bytes, due, promise, resolve, reject };
    return one;
  }

  private get isFull(): boolean {
    const { most, mostBytes } = this.options;
    return this.waiting.length >= most || (mostBytes !== undefined && this.bytes >= mostBytes());
  }

  /** What else comes in this turn goes with it. */
  private plan(): void {
    if (this.isPlanned || this.underWay !== undefined) return;
    this.isPlanned = true;
    setImmediate(() => {
      this.isPlanned = false;
      this.flush();
    });
  }

  private flush(): void {
    while (this.waiting.length > 0 && (this.underWay === undefined || this.isFull)) this.call();
  }

  private call(): void {
    const group = this.take();
    if (group.length === 0) return;
    const landed = (): void => {
      clearTimeout(call.patience);
      if (this.underWay !== call) return;
      this.underWay = undefined;
      if (this.waiting.length > 0) this.plan();
    };
    const call = { patience: setTimeout(landed, this.options.patienceMs).unref() };
    this.underWay = call;
    this.options
      .work(group.map(({ item }) => item))
      .then((results) => group.forEach((one, place) => one.resolve(results[place] as Result | Promise<Result>)))
      .catch((error: Error) => group.forEach((one) => one.reject(error)))
      .finally(landed);
  }

  /** The first one whatever its size, and what fits in beside it; without those whose deadline has passed. */
  private take(): Open<Item, Result>[] {
    const { most, mostBytes } = this.options;
    const limit = mostBytes?.() ?? Infinity;
    let [count, bytes] = [0, 0];
    for (const one of this.waiting) {
      if (count === most || (count > 0 && bytes + one.bytes > limit)) break;
      count += 1;
      bytes += one.bytes;
    }
    this.bytes -= bytes;
    return this.waiting.splice(0, count).filter((one) => this.open.has(one));
  }

  /** One timer for all: they are due in the order in which they came. */
  private watchDeadlines(): void {
    const [next] = this.open;
    if (this.deadline !== undefined || next === undefined || next.due === Infinity) return;
    this.deadline = setTimeout(() => this.rejectDue(), Math.max(1, next.due - performance.now())).unref();
  }

  private rejectDue(): void {
    this.deadline = undefined;
    const { late } = this.options.deadline ?? {};
    const now = performance.now();
    if (late === undefined) return;
    for (const one of this.open) {
      if (one.due > now) break;
      one.reject(late());
    }
    this.watchDeadlines();
  }
}
