/** Exit codes of the command. `unreachable` includes answers that say "not now" (502, 503, 504). */
export const EXIT = { ok: 0, refused: 1, usage: 2, unreachable: 3 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command: what went wrong, what to do next, and the exit code. */
export class Failure extends Error {
  constructor(
    readonly exitCode: ExitCode,
    message: string,
    readonly next: string | null = null,
  ) {
    super(message);
  }
}

export const usageFailure = (message: string, next: string | null = null): Failure =>
  new Failure(EXIT.usage, message, next);
