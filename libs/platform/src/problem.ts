import {
  PROBLEMS,
  problemType,
  type DocumentError,
  type Finding,
  type ProblemBody,
  type ProblemCode,
} from '@countersign/contracts';

/** Errors of these endpoints have a form of their own (RFC 6749 §5.2). */
export const isOAuthPath = (url: string): boolean => /^\/oauth2?\//.test(url);

/** How many errors there are, for `detail`. */
export const countErrors = ({ length }: readonly unknown[]): string => (length === 1 ? '1 error' : `${length} errors`);

/** A refusal outside the OAuth endpoints, to be written as `application/problem+json` (RFC 9457). */
export class ProblemError extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    readonly extras: { errors?: DocumentError[]; findings?: Finding[]; headers?: Record<string, string> } = {},
  ) {
    super(`${code}: ${detail}`);
    this.name = 'ProblemError';
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  body(traceId: string): ProblemBody {
    const { status, title } = PROBLEMS[this.code];
    const { errors, findings } = this.extras;
    return {
      type: problemType(this.code),
      title,
      status,
      detail: this.detail,
      traceId,
      ...(errors ? { errors } : {}),
      ...(findings ? { findings } : {}),
    };
  }
}
