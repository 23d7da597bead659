import { setImmediate } from 'node:timers/promises';
import { within } from './deadline';

/** Longer than an answer takes, and no delay to speak of behind one that hangs. */
const PATIENCE_MS = 10;

interface Asking<T> {
  now: Promise<T>;
  /** Will be asked when the one of now has its answer. */
  next: Promise<T> | undefined;
}

/**
 * The same question, asked many times at once, is put once more while it is on its way, and those who came meanwhile
 * share that answer. So no answer is older than the question.
 */
export class SharedAnswers<T> {
  private readonly asking = new Map<string, Asking<T>>();

  ask(key: string, question: () => Promise<T>): Promise<T> {
    const known = this.asking.get(key);
    if (known === undefined) return this.put(key, question);
    known.next ??= within(PATIENCE_MS, known.now)
      .catch(() => undefined)
      // Who comes in the same turn of the event loop shares it, too.
      .then(() => setImmediate())
      .then(() => this.put(key, question));
    return known.next;
  }

  private put(key: string, question: () => Promise<T>): Promise<T> {
    const asking: Asking<T> = { now: question(), next: undefined };
    this.asking.set(key, asking);
    const answered = (): void => {
      if (asking.next === undefined && this.asking.get(key) === asking) this.asking.delete(key);
    };
    asking.now.then(answered, answered);
    return asking.now;
  }
}
