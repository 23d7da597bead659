import { RETRY_DELAYS_SECONDS } from '@countersign/webhooks';

/** How deliveries are paced; replaced in tests. */
export class DeliverySettings {
  /** Seconds after each attempt. */
  delays: readonly number[] = RETRY_DELAYS_SECONDS;
  /** From DNS to the end of the answer. */
  attemptTimeoutMs = 15_000;
  /** An attempt of which nothing was heard after this is made again; longer than any attempt takes. */
  leaseMs = 30_000;
  /** How often to look for what is due without being woken. */
  pollMs = 1_000;
  /** Attempts at once in this process, and to one endpoint: hanging receivers hold their own few places only. */
  maxAttempts = 512;
  maxAttemptsPerEndpoint = 4;
  /** Of the answer; nothing of it is kept. */
  maxAnswerBytes = 4 * 1024;
  /** What a stop waits for attempts under way; those left are made again by whoever comes next. */
  stopMs = 5_000;
  random: () => number = Math.random;
}
