/** Something outside the process that a service holds open: a connection, a pool, a watcher. */
export interface Resource {
  /** Rejects when the resource cannot be used at the moment; answers within half a second. */
  ping(): Promise<void>;
  /** Lets go of it; called once, after the HTTP server has finished its last request. */
  close(): Promise<void>;
}

/** The dependencies by the name that health and logs give them. */
export type DependencyName =
  'nats' | 'redis' | 'postgres' | 'policy' | 'discovery' | 'exchange' | 'audit-stream' | 'audit-log';

/** A dependency does not answer: 503 with Retry-After wherever it surfaces. The cause goes to the log only. */
export class UnavailableError extends Error {
  constructor(
    readonly dependency: DependencyName,
    options: { cause?: unknown; retryAfterSeconds?: number } = {},
  ) {
    super(`${dependency} is unavailable`, { cause: options.cause });
    this.name = 'UnavailableError';
    this.retryAfterSeconds = options.retryAfterSeconds ?? 1;
  }

  readonly retryAfterSeconds: number;
}
