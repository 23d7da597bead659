import { scrubTokens } from '@countersign/tokens';
import { LoggerService } from '@nestjs/common';
import { pino, stdTimeFunctions, type Level } from 'pino';

export type LogFields = Record<string, unknown>;

/**
 * One JSON object a line on standard output. Whatever looks like a token or a secret is struck out of the finished
 * line, so that no field, message or stack can carry one. A line about one request is given its `traceId` as a field.
 */
export class Logger implements LoggerService {
  private readonly pino;

  constructor(service: string, level: Level | 'silent', write = (line: string) => void process.stdout.write(line)) {
    this.pino = pino(
      {
        level,
        base: { service },
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      { write: (line) => write(scrubTokens(line)) },
    );
  }

  info(message: string, fields: LogFields = {}): void {
    this.pino.info(fields, message);
  }

  debug(message: string, fields: LogFields | string = {}): void {
    this.pino.debug(asFields(fields), message);
  }

  warn(message: string, fields: LogFields | string = {}): void {
    this.pino.warn(asFields(fields), message);
  }

  /** A fault; `fields.error` may be the Error itself. */
  error(message: unknown, fields: LogFields | string = {}): void {
    const { error, ...rest } = asFields(fields);
    this.pino.error({ ...rest, ...(error instanceof Error ? describe(error) : {}) }, String(message));
  }

  /** Nest's own lines (start-up); they go out at debug. */
  log(message: unknown): void {
    this.pino.debug(String(message));
  }
}

/** Nest passes a context string where we pass fields. */
const asFields = (fields: LogFields | string): LogFields => (typeof fields === 'string' ? { context: fields } : fields);

function describe(error: Error): LogFields {
  const cause = error.cause instanceof Error ? { cause: error.cause.message } : {};
  return { error: error.message, errorName: error.name, stack: error.stack, ...cause };
}
