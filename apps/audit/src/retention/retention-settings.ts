/** When retention has a look, in milliseconds; tests bring their own. */
export class RetentionSettings {
  /** Between two looks at what is old enough. */
  intervalMs = 3_600_000;
  /** Until a removal that was recorded stands under a checkpoint. */
  soonMs = 5_000;
  /** After a look that failed. */
  retryMs = 60_000;
}
