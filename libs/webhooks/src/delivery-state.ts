import { retryAfterSeconds } from './retry-after';

/** Seconds to wait after the first, second, … attempt; after the last one the message is a dead letter. */
export const RETRY_DELAYS_SECONDS: readonly number[] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];

/** Delays vary by this share up and down, so that what failed together does not come back together. */
const JITTER = 0.1;

/** The longest wait that a receiver's `Retry-After` can ask for beyond the schedule. */
const MAX_RETRY_AFTER_SECONDS = 86_400;

/** What an attempt brought: an HTTP answer, or none and the class of error. */
export type AttemptOutcome = { status: number } | { error: string };

export interface AttemptMade {
  /** With this one; at least 1. */
  attemptsMade: number;
  outcome: AttemptOutcome;
  /** The answer's `Retry-After` header, as received. */
  retryAfter?: string | undefined;
  /** Epoch seconds. */
  now: number;
  /** From 0 up to 1. */
  random: number;
  /** Another schedule than RETRY_DELAYS_SECONDS. */
  delays?: readonly number[];
}

/** `at` in epoch seconds, whole. */
export type DeliveryState =
  | { kind: 'delivered' }
  | { kind: 'retryAt'; at: number }
  | { kind: 'dead'; reason: 'attempts_exhausted' }
  | { kind: 'disableEndpoint'; reason: 'gone' };

/** What becomes of a delivery after an attempt: only 2xx counts, redirects are failures, 410 ends the endpoint. */
export function nextDeliveryState(attempt: AttemptMade): DeliveryState {
  const { outcome, now } = attempt;
  if ('status' in outcome) {
    if (outcome.status >= 200 && outcome.status < 300) return { kind: 'delivered' };
    if (outcome.status === 410) return { kind: 'disableEndpoint', reason: 'gone' };
  }
  const delay = (attempt.delays ?? RETRY_DELAYS_SECONDS)[attempt.attemptsMade - 1];
  if (delay === undefined) return { kind: 'dead', reason: 'attempts_exhausted' };
  const jittered = delay * (1 - JITTER + 2 * JITTER * attempt.random);
  return { kind: 'retryAt', at: now + Math.ceil(Math.max(jittered, askedFor(attempt))) };
}

/** A receiver may ask for more patience than the schedule has, within a bound; never for less. */
function askedFor({ retryAfter, now }: AttemptMade): number {
  const seconds = retryAfter === undefined ? null : retryAfterSeconds(retryAfter, now);
  return Math.min(seconds ?? 0, MAX_RETRY_AFTER_SECONDS);
}
