const WINDOW_MS = 1_000;

/** Attempts of the last second by endpoint, in this process: a backlog is delivered, not let loose. */
export class DeliveryPace {
  private starts: { webhookId: string; at: number }[] = [];

  note(webhookId: string, at: number): void {
    this.starts.push({ webhookId, at });
  }

  /** How many attempts each endpoint had in the second before `now`. */
  recent(now: number): Map<string, number> {
    // A clock that was put back must not hold anything up.
    this.starts = this.starts.filter(({ at }) => at > now - WINDOW_MS && at <= now);
    return countBy(this.starts.map(({ webhookId }) => webhookId));
  }
}

export function countBy(names: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
