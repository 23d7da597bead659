import { InvalidArgumentError } from 'commander';

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000 };
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Milliseconds of `30s`, `5m` or `1h`. */
export function parseDuration(text: string): number {
  const [, amount, unit = ''] = /^(\d{1,4})([smh])$/.exec(text) ?? [];
  if (amount === undefined) throw new InvalidArgumentError('give a time such as 30s, 5m or 1h');
  return Number(amount) * (UNITS[unit] ?? 0);
}

/** Does the work until it ends, the time is over, or somebody presses Ctrl-C: none of it is a failure. */
export async function untilStopped(
  forMs: number | undefined,
  work: (stopping: AbortController) => Promise<void>,
): Promise<void> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  const timer = forMs === undefined ? undefined : setTimeout(stop, forMs);
  for (const signal of SIGNALS) process.once(signal, stop);
  try {
    await work(stopping);
  } finally {
    stop();
    clearTimeout(timer);
    for (const signal of SIGNALS) process.removeListener(signal, stop);
  }
}
