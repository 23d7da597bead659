/** Times of the search for gaps, in milliseconds; tests bring their own. */
export class GapSettings {
  /** Between two looks. */
  readonly intervalMs: number = 30_000;
  /** What was settled so long ago and is not in the trail is missing. */
  readonly patienceMs: number = 180_000;
}
