import { ProblemError } from '@countersign/platform';
import { eachInSteps } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { inStretches } from '../snapshot/in-stretches';
import type { AskedExchange } from './recorded-exchange';

/** At once, in one process: each takes a core while it lasts. */
const MOST_AT_ONCE = 2;
const RETRY_AFTER_SECONDS = 5;

/** Questions that look through many recorded exchanges: few at once, and each gives way to decisions. */
@Injectable()
export class RecordReviews {
  private running = 0;

  /** @throws ProblemError rate-limited */
  async run<T>(review: () => Promise<T>): Promise<T> {
    if (this.running >= MOST_AT_ONCE) {
      const headers = { 'retry-after': String(RETRY_AFTER_SECONDS) };
      throw new ProblemError('rate-limited', 'Other questions of this kind are running; try again.', { headers });
    }
    this.running += 1;
    try {
      return await review();
    } finally {
      this.running -= 1;
    }
  }
}

/** Visits each, and lets others have the process in between. */
export function visitInStretches(
  batch: readonly AskedExchange[],
  visit: (exchange: AskedExchange) => void,
): Promise<void> {
  return inStretches(eachInSteps(batch, visit, 1));
}
