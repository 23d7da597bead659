/** Times of the log, in milliseconds; tests bring their own. */
export class LogSettings {
  /** Between two looks at what the trail has got. */
  readonly intervalMs: number = 2_000;
  /** Between two checkpoints that are sent to the witnesses. */
  readonly witnessIntervalMs: number = 60_000;
}
