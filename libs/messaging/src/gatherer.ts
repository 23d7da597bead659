/** An item on its way, as `send` gets it. */
export interface Gathered<In, Out> {
  readonly input: In;
  /** Its deadline, on the clock of `performance.now()`; it is rejected then. */
  readonly due: number;
  readonly resolve: (outcome: Out) => void;
  readonly reject: (error: unknown) => void;
}

export interface GathererOptions<In, Out> {
  /** Most items in a message. */
  most: number;
  /** Most bytes in a message of several items. */
  mostBytes: () => number;
  /** A message that has been in flight for so long holds up the next no more. */
  patienceMs: number;
  /** From `add` until an item is rejected. */
  timeoutMs: number;
  /** What an item is rejected with at its deadline. */
  late: () => Error;
  /** Sends a message and settles its items; resolves when it has landed. Rejects: each item is rejected with that. */
  send: (items: Gathered<In, Out>[]) => Promise<void>;
}

type Item<In, Out> = Gathered<In, Out> & { bytes: number };

/**
 * While one message is in flight, the next items gather and go in a single message. An item that finds nothing in
 * flight goes in the same turn of the event loop; a full message does not wait.
 */
export class Gatherer<In, Out> {
  private readonly waiting: Item<In, Out>[] = [];
  /** What is not settled, oldest first. */
  private readonly open = new Map<Item<In, Out>, Promise<Out>>();
  /** The message that the next one waits for. */
  private inFlight: { patience: NodeJS.Timeout } | undefined;
  private starting = false;
  private bytes = 0;
  private deadline: NodeJS.Timeout | undefined;

  constructor(private readonly options: GathererOptions<In, Out>) {}

  /** The outcome of an item of so many bytes. */
  add(input: In, bytes: number): Promise<Out> {
    const { promise, resolve, reject } = deferred<Out>();
    const close = (): boolean => this.open.delete(item);
    const item: Item<In, Out> = {
      input,
      bytes,
      due: performance.now() + this.options.timeoutMs,
      resolve: (outcome) => void (close() && resolve(outcome)),
      reject: (error) => void (close() && reject(error)),
    };
    this.open.set(item, promise);
    this.waiting.push(item);
    this.bytes += bytes;
    this.watchDeadlines();
    if (this.isFull) this.flush();
    else if (this.inFlight === undefined && !this.starting) {
      this.starting = true;
      setImmediate(() => this.flush());
    }
    return promise;
  }

  /** Resolves when all that was added so far is settled. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.open.values());
  }

  private get isFull(): boolean {
    return this.waiting.length >= this.options.most || this.bytes >= this.options.mostBytes();
  }

  private flush(): void {
    this.starting = false;
    while (this.waiting.length > 0 && (this.inFlight === undefined || this.isFull)) this.sendNext();
  }

  private sendNext(): void {
    const items = this.take();
    if (items.length === 0) return;
    const landed = (): void => {
      clearTimeout(message.patience);
      if (this.inFlight !== message) return;
      this.inFlight = undefined;
      this.flush();
    };
    const message = { patience: setTimeout(landed, this.options.patienceMs).unref() };
    this.inFlight = message;
    this.options
      .send(items)
      .catch((error: unknown) => items.forEach((item) => item.reject(error)))
      .finally(landed);
  }

  /** The first one whatever its size, and what fits in beside it. */
  private take(): Item<In, Out>[] {
    const { most, mostBytes } = this.options;
    const limit = mostBytes();
    let [count, bytes] = [0, 0];
    for (const item of this.waiting) {
      if (count === most || (count > 0 && bytes + item.bytes > limit)) break;
      count += 1;
      bytes += item.bytes;
    }
    this.bytes -= bytes;
    return this.waiting.splice(0, count).filter((item) => this.open.has(item));
  }

  /** One timer for all: they are due in the order in which they came. */
  private watchDeadlines(): void {
    if (this.deadline !== undefined) return;
    const [next] = this.open.keys();
    if (next === undefined) return;
    this.deadline = setTimeout(() => this.rejectDue(), Math.max(1, next.due - performance.now())).unref();
  }

  private rejectDue(): void {
    this.deadline = undefined;
    const now = performance.now();
    for (const item of this.open.keys()) {
      if (item.due > now) break;
      item.reject(this.options.late());
    }
    this.watchDeadlines();
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
