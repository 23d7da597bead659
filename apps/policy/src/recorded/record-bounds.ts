import type { Family } from './exchange-row';

const DAY_MS = 24 * 60 * 60 * 1000;

/** How much of the past policy keeps for itself; the trail keeps everything. Tests put smaller ones in its place. */
export class RecordBounds {
  readonly maxAgeMs: number = 90 * DAY_MS;
  /** Attempts; of more than these the oldest go. What strangers can cause has the smallest share. */
  readonly most: Readonly<Record<Family, number>> = { granted: 500_000, refused: 250_000, unverified: 50_000 };
  readonly pruneEveryMs: number = 60 * 60 * 1000;
}
