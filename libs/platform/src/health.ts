/** What `/health` of the management port answers. */
export interface HealthReport {
  ready: boolean;
  /** Conditions of being ready, by name. */
  checks: Record<string, 'ok' | 'failed'>;
  /** What a service has to say beyond that; none of it decides about being ready. */
  details: Record<string, unknown>;
}

/** What must be in order before a service may be sent requests. */
export class Readiness {
  private readonly checks = new Map<string, () => Promise<void>>();
  private readonly descriptions = new Map<string, () => unknown>();
  private stopping = false;

  get isStopping(): boolean {
    return this.stopping;
  }

  /** Adds a named condition; the check rejects while it is not met. */
  add(name: string, check: () => Promise<void>): void {
    this.checks.set(name, check);
  }

  /** Adds something for operators to see that requests do not depend on. */
  describe(name: string, state: () => unknown): void {
    this.descriptions.set(name, state);
  }

  /** From now on not ready: load balancers look elsewhere before the listener closes. */
  stop(): void {
    this.stopping = true;
  }

  /** State of each condition by name; a check that takes longer than half a second has failed. */
  async report(): Promise<HealthReport> {
    const entries = await Promise.all(
      [...this.checks].map(async ([name, check]) => [name, (await passes(check)) ? 'ok' : 'failed'] as const),
    );
    return {
      ready: !this.stopping && entries.every(([, state]) => state === 'ok'),
      checks: Object.fromEntries(entries),
      details: Object.fromEntries([...this.descriptions].map(([name, state]) => [name, state()])),
    };
  }
}

async function passes(check: () => Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), 500);
  });
  const outcome = check().then(
    () => true,
    () => false,
  );
  const passed = await Promise.race([outcome, timeout]);
  clearTimeout(timer);
  return passed;
}
